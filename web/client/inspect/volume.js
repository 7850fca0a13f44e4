import { callRules } from "../checks.js";
import { Device } from "../device.js";
import { invalid } from "../errors.js";
import { check } from "../options.js";
import { clip } from "../ranges.js";

/** Bytes of a file that are asked for at once; wasm/inspect gives no more. */
const piece = 1 << 20;

/** @typedef {import("../device.js").CallOptions} CallOptions */
/** @typedef {import("../ranges.js").Extent} Extent */
/** @typedef {import("./types.js").Entry} Entry */
/** @typedef {import("./types.js").Details} Details */

/** A file system that is open for reading. Paths begin with "/"; links are not followed. */
export class Volume {
  #calls;
  #id;
  /** @type {Promise<undefined>} */ #closed;
  /** @type {() => void} */ #end = () => {};

  /**
   * @param {import("./calls.js").Calls} calls
   * @param {{id: number, facts: import("./types.js").Facts}} opened
   */
  constructor(calls, { id, facts }) {
    this.#calls = calls;
    this.#id = id;
    this.#closed = new Promise((resolve) => { this.#end = () => resolve(undefined); });
    /** What the file system tells of itself. @readonly */
    this.facts = facts;
  }

  /**
   * The entries of a folder in the disk's order, in arrays of 1 to 1000; the
   * next is read when it is asked for. To leave the loop ends it.
   * @param {string} path
   * @param {CallOptions} [options]
   * @returns {AsyncGenerator<Entry[], void, undefined>}
   */
  async *list(path, options = {}) {
    const { signal } = check(options, callRules);
    const list = await this.#calls.open("list", [this.#id, checkPath(path)], signal, "endList");
    try {
      for (let ended = false; !ended;) {
        const batch = await this.#calls.ask("next", [list], signal);
        ended = batch.ended;
        if (batch.entries.length) yield batch.entries;
      }
    } finally {
      this.#calls.drop("endList", list);
    }
  }

  /**
   * @param {string} path
   * @param {CallOptions} [options]
   * @returns {Promise<Details>}
   */
  async stat(path, options = {}) {
    const { signal } = check(options, callRules);
    return this.#calls.ask("stat", [this.#id, checkPath(path)], signal);
  }

  /**
   * The content of a file, as a device: read-only, to be closed when it is of
   * no use any more. It ends with the volume.
   * @param {string} path
   * @param {CallOptions & {stream?: string}} [options] stream: the name of one of
   *   the streams of stat, in place of the main content
   * @returns {Promise<Device>}
   */
  async file(path, options = {}) {
    const { signal, stream = "" } = check(options, { ...callRules, stream: (v) => typeof v === "string" });
    const { id, size, zeros } = await this.#calls.open("openFile", [this.#id, checkPath(path), stream], signal, "closeFile");
    const extents = filled(zeros ?? [], size);
    return new Device({
      size,
      blockSize: { minimum: 1, preferred: 1 << 16, maximumPayload: 1 << 25 },
      title: `file ${JSON.stringify(path)}`,
      read: (offset, length, scope) => this.#read(id, offset, length, scope),
      blockStatus: async (offset, length) => clip(extents, offset, length),
      close: async () => this.#calls.drop("closeFile", id),
      closed: Promise.race([this.#closed, this.#calls.closed]),
    });
  }

  /**
   * @param {number} file
   * @param {number} offset
   * @param {number} length
   * @param {CallOptions} scope
   * @returns {Promise<Uint8Array<ArrayBuffer>>}
   */
  async #read(file, offset, length, scope) {
    if (length <= piece) return this.#calls.call("readFile", [file, offset, length], scope);
    const bytes = new Uint8Array(length);
    for (let at = 0; at < length; at += piece) {
      bytes.set(await this.#calls.call("readFile", [file, offset + at, Math.min(piece, length - at)], scope), at);
    }
    return bytes;
  }

  /** Its files and lists end too. May be called again, never rejects. */
  async close() {
    this.#end();
    await this.#calls.call("closeVolume", [this.#id]).catch(() => {}); // it has ended with the Worker
  }
}

/** @param {any} path @returns {string} */
function checkPath(path) {
  if (typeof path === "string" && path.startsWith("/")) return path;
  throw invalid(`A path begins with "/", and this is ${JSON.stringify(path)}.`);
}

/**
 * @param {Extent[]} zeros in order
 * @param {number} size
 * @returns {Extent[]} the same with all that is between, as data
 */
function filled(zeros, size) {
  /** @type {Extent[]} */ const extents = [];
  let at = 0;
  for (const extent of [...zeros, { offset: size, length: 0, type: /** @type {const} */ ("data") }]) {
    if (extent.offset > at) extents.push({ offset: at, length: extent.offset - at, type: "data" });
    if (extent.length) extents.push(extent);
    at = extent.offset + extent.length;
  }
  return extents;
}
