// The files of a disk: choose a volume, walk its folders, look at a file, save.
import { button, element } from "../../page/dom.js";
import { ProgressBar } from "../../page/progress.js";
import { humanSize, visible } from "../../page/text.js";
import { saveAs } from "../../../client/save/index.js";
import { titleOf } from "../overview/bar.js";
import { FolderArchive } from "./archive.js";
import { detailsOf } from "./details.js";
import { OwnFiles } from "./own.js";
import { preview } from "./preview.js";
import { Tree } from "./tree.js";
import { TreeView } from "./treeview.js";
import { zip } from "./zip.js";

/** @typedef {import("../session.js").Session} Session */
/** @typedef {import("../inspector.js").Part} Part */
/** @typedef {import("../../../client/inspect/index.js").Volume} Volume */
/** @typedef {import("./tree.js").Node} Node */

/** Volumes in the list at most. */
const maxVolumes = 128;
/** Milliseconds that an entry stays chosen before its content is read. */
const settle = 200;

/**
 * What the page needs of its files side.
 * @typedef {object} Files
 * @property {(part: Part) => void} browse shows the files of a part
 * @property {() => void} close lets go of the disk; what is under way ends
 */

/**
 * Begins with a disk. The container is empty, and may be out of sight.
 * @param {HTMLElement} container
 * @param {Session} session
 * @returns {Files}
 */
export function startFiles(container, session) {
  return new FilesPanel(container, session);
}

class FilesPanel {
  #container;
  #session;
  #parts;
  #choice = element("select");
  #status = element("p", "", "status");
  #facts = element("p", "", "hint");
  #box = element("div", "", "files-tree");
  #side = element("div", "", "stack files-side");
  #about = element("div", "", "stack");
  #look = element("div", "", "stack");
  #save = button("Download", () => { this.#saveChosen(""); });
  #jobs;
  #own;
  #progress = new ProgressBar();
  /** What is open, and its end. @type {{part: Part, volume: Volume, tree: Tree, view: TreeView} | undefined} */ #open;
  /** Ends the opening, or what is known of the chosen entry. */
  #opening = new AbortController();
  #looking = new AbortController();
  /** @type {Node | undefined} */ #chosen;

  /** @param {HTMLElement} container @param {Session} session */
  constructor(container, session) {
    this.#container = container;
    this.#session = session;
    this.#own = new OwnFiles(session.inspector);
    this.#jobs = session.jobs.filter((job) => job.takesFiles).map((job) => button(`${job.word} this file`, () => { this.#take(job); }));
    this.#parts = session.layout.parts.filter(({ kind, length }) => length > 0 && (kind === "partition" || kind === "whole")).slice(0, maxVolumes);
    this.#build();
    this.#choice.addEventListener("change", () => this.#openChosen());
    if (this.#parts.length === 1) this.browse(this.#parts[0]);
  }

  #build() {
    this.#choice.id = "volume";
    this.#choice.append(new Option("Choose a part of the disk", ""), ...this.#parts.map((part, i) => new Option(`${titleOf(part)}, ${humanSize(part.length)}`, String(i))));
    this.#status.role = "status";
    this.#status.id = "files-status";
    this.#box.id = "files-tree";
    this.#box.ariaLabel = "Files";
    this.#save.id = "file-save";
    this.#enable(undefined);
    const field = element("div", "", "field");
    const label = element("label", "Files of");
    label.htmlFor = "volume";
    field.append(label, this.#choice);
    const actions = element("div", "", "actions");
    actions.append(this.#save, ...this.#jobs);
    this.#side.append(actions, this.#progress.element, this.#look, this.#about);
    const columns = element("div", "", "files");
    columns.append(this.#box, this.#side);
    columns.hidden = true;
    const panel = element("section", "", "panel stack");
    panel.ariaLabel = "Files";
    panel.append(field, this.#facts, this.#status, columns);
    this.#container.replaceChildren(panel);
  }

  /** @param {Part} part */
  browse(part) {
    const at = this.#parts.indexOf(part);
    this.#choice.value = at < 0 ? "" : String(at);
    this.#openPart(part);
  }

  #openChosen() {
    const part = this.#parts[Number(this.#choice.value)];
    if (this.#choice.value !== "" && part) this.#openPart(part);
    else this.#leave();
  }

  /** @param {Part} part */
  async #openPart(part) {
    this.#leave();
    const { signal } = this.#opening = new AbortController();
    this.#status.textContent = "Opening the file system…";
    try {
      const volume = await this.#session.inspector.open(part.offset, part.length, { signal: AbortSignal.any([signal, this.#session.signal]) });
      if (signal.aborted) return void volume.close();
      this.#show(part, volume);
    } catch (/** @type {any} */ error) {
      if (!signal.aborted) this.#status.textContent = `The files of this part can’t be shown: ${visible(error.message)}`;
    }
  }

  /** @param {Part} part @param {Volume} volume */
  #show(part, volume) {
    const { facts } = volume;
    this.#status.textContent = "";
    this.#facts.textContent = [facts.kind, facts.label && `“${visible(facts.label)}”`, facts.uuid, `${humanSize(facts.blockSize)} blocks`,
      facts.free >= 0 && `${humanSize(facts.free)} free`, ...(facts.problems ?? []).map(visible)].filter(Boolean).join(" · ");
    this.#columns().hidden = false;
    const tree = new Tree((path, options) => volume.list(path, options), () => this.#changed());
    const view = new TreeView(this.#box, tree, (node) => this.#choose(node));
    this.#open = { part, volume, tree, view };
    tree.open(tree.root);
    this.#choose(tree.root);
  }

  #columns() {
    return /** @type {HTMLElement} */ (this.#box.parentElement);
  }

  #changed() {
    const open = this.#open;
    if (!open) return;
    open.view.draw();
    const { root } = open.tree;
    this.#box.setAttribute("aria-busy", String(open.tree.busy));
    if (root.problem) this.#status.textContent = visible(root.problem);
  }

  /** @param {Node} node */
  #choose(node) {
    this.#looking.abort();
    const { signal } = this.#looking = new AbortController();
    this.#chosen = node;
    this.#enable(node);
    this.#save.textContent = node.isFolder ? "Download the folder as zip" : "Download";
    setTimeout(() => { if (!signal.aborted) this.#learn(node, signal); }, settle);
  }

  /** @param {Node | undefined} node that is chosen */
  #enable(node) {
    const isFile = node?.entry.type === "file";
    this.#save.disabled = !node?.isFolder && !isFile;
    for (const job of this.#jobs) job.disabled = !isFile;
  }

  /** Hands the chosen file to a job of the page. @param {import("../session.js").Job} job */
  async #take(job) {
    const open = this.#open, node = this.#chosen;
    if (!open || !node) return;
    try {
      const file = await this.#own.file(open.part, node.path, this.#session.signal);
      job.take({ ...file, name: `${node.path} of ${titleOf(open.part)}` });
    } catch (error) {
      if (!this.#session.signal.aborted) this.#session.report("The file could not be opened.", error);
    }
  }

  /** @param {Node} node @param {AbortSignal} signal */
  async #learn(node, signal) {
    const open = this.#open;
    if (!open) return;
    const { volume, part } = open;
    try {
      const details = await volume.stat(node.path, { signal });
      this.#about.replaceChildren(...detailsOf(node.path, details, {
        save: (stream) => { this.#saveChosen(stream); },
        bytes: (disk, length) => this.#session.showBytes(part.offset + disk, length),
      }));
      const look = node.entry.type === "file" ? await this.#preview(volume, node, signal) : [];
      if (!signal.aborted) this.#look.replaceChildren(...look); // pictures are decoded to their end
    } catch (/** @type {any} */ error) {
      if (signal.aborted) return;
      this.#about.replaceChildren(element("p", visible(error.message), "danger"));
      this.#look.replaceChildren();
    }
  }

  /** @param {Volume} volume @param {Node} node @param {AbortSignal} signal */
  async #preview(volume, node, signal) {
    const file = await volume.file(node.path, { signal });
    try {
      return await preview(file, signal);
    } finally {
      file.close();
    }
  }

  /** @param {string} stream "" for the content */
  async #saveChosen(stream) {
    const open = this.#open, node = this.#chosen;
    if (!open || !node) return;
    const name = node === open.tree.root ? open.volume.facts.label || "volume" : node.entry.name;
    const label = `Downloading ${visible(stream ? `${name}:${stream}` : name)}`;
    try {
      await this.#progress.run(label, (signal, onProgress) => node.isFolder && !stream
        ? saveFolder(open.volume, node.path, name, signal, onProgress)
        : saveFile(open.volume, node.path, stream, stream ? `${name}_${stream}` : name, signal, onProgress));
    } catch (/** @type {any} */ error) {
      if (error?.name !== "AbortError") this.#session.report("The download was not finished.", error);
    }
  }

  #leave() {
    this.#opening.abort();
    this.#looking.abort();
    this.#open?.tree.end();
    this.#open?.volume.close();
    this.#open = this.#chosen = undefined;
    this.#columns().hidden = true;
    this.#enable(undefined);
    this.#facts.textContent = this.#status.textContent = "";
    this.#about.replaceChildren();
    this.#look.replaceChildren();
  }

  close() {
    this.#leave();
    this.#container.replaceChildren();
  }
}

/** @typedef {(state: import("../../page/progress.js").State) => void} OnProgress */

/** @param {Volume} volume @param {string} path @param {string} stream @param {string} name @param {AbortSignal} signal @param {OnProgress} onProgress */
async function saveFile(volume, path, stream, name, signal, onProgress) {
  const file = await volume.file(path, { stream, signal });
  try {
    await saveAs(file, name, { signal, onProgress });
  } finally {
    file.close();
  }
}

/** @param {Volume} volume @param {string} path @param {string} name @param {AbortSignal} signal @param {OnProgress} onProgress */
async function saveFolder(volume, path, name, signal, onProgress) {
  const archive = new FolderArchive(volume, signal);
  const chunks = zip(archive.items(path));
  const stream = new ReadableStream({
    async pull(controller) {
      const { done, value } = await chunks.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    async cancel() {
      await chunks.return(undefined);
    },
  }, { highWaterMark: 0 });
  await saveAs(stream, `${name}.zip`, { signal, onProgress });
}
