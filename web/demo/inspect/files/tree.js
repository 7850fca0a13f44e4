// The folders that are open, as rows: what of the tree needs no document.
import { mergeRuns } from "./sort.js";

/** @typedef {import("../../../client/inspect/index.js").Entry} Entry */

/** Entries of one folder, and rows of the tree, that are shown at most: browsers limit the height of what scrolls. */
export const maxEntries = 200_000, maxRows = 400_000;

/** Rows that are handed over as arguments at most. */
const atOnce = 1000;

/** A row of the tree. */
export class Node {
  /** Of a folder that was listed. @type {Node[] | undefined} */ children;
  open = false;
  loading = false;
  /** Why it could not be listed as a whole. @type {string} */ problem = "";
  /** From 1, as screen readers count. @type {number} */ level;

  /**
   * @param {Entry} entry
   * @param {string} path
   * @param {Node | undefined} parent
   */
  constructor(entry, path, parent) {
    this.entry = entry;
    this.path = path;
    this.parent = parent;
    this.level = parent ? parent.level + 1 : 1;
    this.key = entry.name.toLowerCase();
  }

  get isFolder() {
    return this.entry.type === "folder";
  }
}

/** Folders first, then by name. @param {Node} a @param {Node} b */
export function byName(a, b) {
  if (a.isFolder !== b.isFolder) return a.isFolder ? -1 : 1;
  if (a.key !== b.key) return a.key < b.key ? -1 : 1;
  return a.entry.name < b.entry.name ? -1 : 1;
}

/** @param {string} folder @param {string} name */
export function join(folder, name) {
  return folder === "/" ? `/${name}` : `${folder}/${name}`;
}

export class Tree {
  #list;
  #changed;
  #ended = new AbortController();
  /** Ends the list of a folder. @type {Map<Node, AbortController>} */ #lists = new Map();
  /** What is in sight, from top to bottom. @type {Node[]} */ rows = [];

  /**
   * @param {(path: string, options: {signal: AbortSignal}) => AsyncIterable<Entry[]>} list
   * @param {() => void} changed called after each change of the rows
   */
  constructor(list, changed) {
    this.#list = list;
    this.#changed = changed;
    this.root = new Node({ name: "/", type: "folder", size: 0 }, "/", undefined);
    this.rows = [this.root];
  }

  /**
   * Shows what a folder holds.
   * @param {Node} folder in sight
   * @returns {Promise<void>} fulfils when it was listed, or could not be: then its problem says why
   */
  async open(folder) {
    if (!folder.isFolder || folder.open || folder.loading) return;
    folder.open = true;
    if (folder.children) return this.#unfold(folder);
    await this.#load(folder);
  }

  /** @param {Node} folder */
  close(folder) {
    if (!folder.open) return;
    this.#lists.get(folder)?.abort();
    folder.open = false;
    const at = this.rows.indexOf(folder);
    this.#replace(at + 1, this.#end(at), []);
  }

  /** Whether a folder is being listed. */
  get busy() {
    return this.#lists.size > 0;
  }

  /** Ends everything that is under way. */
  end() {
    this.#ended.abort();
  }

  /** @param {Node} folder */
  #unfold(folder) {
    const shown = visible(folder);
    if (this.rows.length + shown.length > maxRows) {
      folder.open = false;
      folder.problem = `Too much is in sight already: close other folders first.`;
      return this.#changed();
    }
    const at = this.rows.indexOf(folder);
    this.#replace(at + 1, at + 1, shown);
  }

  /** @param {Node} folder */
  async #load(folder) {
    const own = new AbortController();
    const signal = AbortSignal.any([own.signal, this.#ended.signal]);
    this.#lists.set(folder, own);
    folder.loading = true;
    folder.problem = "";
    folder.children = [];
    this.#changed();
    /** @type {Node[][]} */ const runs = [];
    try {
      await this.#gather(folder, runs, signal);
    } catch (/** @type {any} */ error) {
      if (!signal.aborted) folder.problem = error.message;
    }
    this.#lists.delete(folder);
    folder.loading = false;
    if (signal.aborted) folder.children = undefined; // listed anew the next time
    else await this.#sort(folder, runs);
    this.#changed();
  }

  /** @param {Node} folder @param {Node[][]} runs @param {AbortSignal} signal */
  async #gather(folder, runs, signal) {
    for await (const batch of this.#list(folder.path, { signal })) {
      signal.throwIfAborted();
      const room = Math.min(maxEntries - (folder.children?.length ?? 0), maxRows - this.rows.length);
      const nodes = batch.slice(0, room).map((entry) => new Node(entry, join(folder.path, entry.name), folder)).sort(byName);
      runs.push(nodes);
      folder.children?.push(...nodes);
      this.#add(folder, nodes);
      if (batch.length <= room) continue;
      folder.problem = `Only the first ${folder.children?.length} entries are shown; the command "bridge inspect" lists all.`;
      return;
    }
  }

  /** Shows more of a folder, which is out of sight where one above it was closed. @param {Node} folder @param {Node[]} nodes */
  #add(folder, nodes) {
    const at = this.rows.indexOf(folder);
    if (at < 0) return;
    const end = this.#end(at);
    this.#replace(end, end, nodes);
  }

  /** @param {Node} folder @param {Node[][]} runs */
  async #sort(folder, runs) {
    try {
      folder.children = await mergeRuns(runs, byName, this.#ended.signal);
    } catch {
      return; // the end
    }
    const at = this.rows.indexOf(folder);
    if (at >= 0 && folder.open) this.#replace(at + 1, this.#end(at), visible(folder));
  }

  /** Where the rows under a row end. @param {number} at */
  #end(at) {
    const { level } = this.rows[at];
    let end = at + 1;
    while (end < this.rows.length && this.rows[end].level > level) end++;
    return end;
  }

  /** @param {number} from @param {number} to @param {Node[]} rows */
  #replace(from, to, rows) {
    if (rows.length <= atOnce) this.rows.splice(from, to - from, ...rows); // in place: a batch of a long list
    else this.rows = this.rows.slice(0, from).concat(rows, this.rows.slice(to));
    this.#changed();
  }
}

/**
 * What is in sight under a folder.
 * @param {Node} folder
 * @param {Node[]} [rows] to which it is added
 */
function visible(folder, rows = []) {
  for (const child of folder.children ?? []) {
    rows.push(child);
    if (child.open) visible(child, rows);
  }
  return rows;
}
