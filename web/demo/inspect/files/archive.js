// A folder of a disk as what goes into an archive: its files, with safe names,
// and at the end a list of what was left out.
import { NbdError } from "../../../client/errors.js";
import { grouped, visible } from "../../page/text.js";
import { FolderNames } from "./names.js";
import { join } from "./tree.js";

/** Folders in each other, beyond which an archive does not go. */
const maxDepth = 256;
/** Files and folders of an archive, whose names are kept until its end. */
const maxEntries = 1_000_000;
/** Lines of the list of what was left out; the rest is counted. */
const maxLines = 10_000;

/** @typedef {import("../../../client/inspect/index.js").Volume} Volume */
/** @typedef {import("../../../client/inspect/index.js").Entry} Entry */
/** @typedef {import("./zip.js").Item} Item */

/** One archive that is made. */
export class FolderArchive {
  #volume;
  #signal;
  #most;
  /** @type {string[]} */ #leftOut = [];
  #leftOutCount = 0;
  /** Files so far. */ files = 0;
  #entries = 0;

  /** @param {Volume} volume @param {AbortSignal} signal @param {number} [most] files and folders */
  constructor(volume, signal, most = maxEntries) {
    this.#volume = volume;
    this.#signal = signal;
    this.#most = most;
  }

  /** @param {string} path of the folder @returns {AsyncGenerator<Item>} */
  async *items(path) {
    yield* this.#folder(path, "", 0);
    if (this.#leftOutCount > 0) yield { name: "_left-out.txt", content: once(this.#report()) };
  }

  /** @param {string} path @param {string} prefix @param {number} depth @returns {AsyncGenerator<Item>} */
  async *#folder(path, prefix, depth) {
    if (depth > maxDepth) return this.#leave(path, "too many folders are in each other");
    const names = new FolderNames();
    if (depth === 0) names.take("_left-out.txt");
    try {
      for await (const batch of this.#volume.list(path, { signal: this.#signal })) {
        for (const entry of batch) yield* this.#entry(entry, join(path, entry.name), prefix + names.take(entry.name), depth);
      }
    } catch (/** @type {any} */ error) {
      this.#signal.throwIfAborted();
      if (isEnd(error)) throw error;
      this.#leave(path, `the folder could not be read to its end: ${error.message}`);
    }
  }

  /** @param {Entry} entry @param {string} path @param {string} name @param {number} depth @returns {AsyncGenerator<Item>} */
  async *#entry(entry, path, name, depth) {
    if (++this.#entries > this.#most) throw new NbdError("LIMIT", `The folder holds more than ${grouped(this.#most)} files and folders. Download parts of it, or copy it with the command “bridge inspect”.`);
    const modified = entry.modified && new Date(entry.modified.time);
    if (entry.type === "folder") {
      yield { name: `${name}/`, modified };
      yield* this.#folder(path, `${name}/`, depth + 1);
    } else if (entry.type !== "file") {
      this.#leave(path, `it is a ${entry.type}`);
    } else {
      this.files++;
      yield { name, modified, content: this.#content(path) };
    }
  }

  /** What can be read of a file. @param {string} path */
  async *#content(path) {
    let done = 0;
    try {
      const file = await this.#volume.file(path, { signal: this.#signal });
      try {
        for await (const bytes of file.stream({ signal: this.#signal })) {
          done += bytes.length;
          yield /** @type {Uint8Array<ArrayBuffer>} */ (bytes);
        }
      } finally {
        file.close();
      }
    } catch (/** @type {any} */ error) {
      this.#signal.throwIfAborted();
      if (isEnd(error)) throw error;
      this.#leave(path, `it ends after ${done} bytes: ${error.message}`);
    }
  }

  /** @param {string} path @param {string} why */
  #leave(path, why) {
    if (this.#leftOutCount++ < maxLines) this.#leftOut.push(`${visible(path)}: ${visible(why)}`);
  }

  #report() {
    const more = this.#leftOutCount - this.#leftOut.length;
    return `What is not in this archive, or not as a whole:\n\n${this.#leftOut.join("\n")}\n${more > 0 ? `and ${more} more\n` : ""}`;
  }
}

/** Nothing more can be read. @param {any} error */
const isEnd = (error) => ["CLOSED", "WORKER", "DISCONNECTED", "LIMIT"].includes(error?.code);

/** @param {string} text */
async function* once(text) {
  yield new TextEncoder().encode(text);
}
