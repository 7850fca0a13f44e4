// The Worker of one folder of opfs.js. It owns the folder and has its files
// open; it carries out calls one after the other, in their order.
import { describe } from "../errors.js";
import { inUse, storageError, whileBusy } from "./failures.js";

/** @typedef {{id: number, method: string, args: any[], what: string}} Call */

/** @type {FileSystemDirectoryHandle} */ let folder;
/** By number. @type {Map<number, FileSystemSyncAccessHandle>} */ const files = new Map();
let opened = 0;
let giveBack = () => {};
let last = Promise.resolve();

globalThis.onmessage = (/** @type {MessageEvent<Call>} */ { data }) => {
  last = last.then(() => answer(data));
};

/** @param {Call} call */
async function answer({ id, method, args, what }) {
  try {
    const result = await methods[method](...args);
    postMessage({ id, result }, { transfer: result instanceof Uint8Array ? [result.buffer] : [] });
  } catch (error) {
    postMessage({ id, error: describe(storageError(error, what)) });
  }
}

/** @param {number} file */
const handle = (file) => /** @type {FileSystemSyncAccessHandle} */ (files.get(file));

/** @type {Record<string, (...args: any[]) => any>} */
const methods = {
  async start(/** @type {string} */ lock, /** @type {string[]} */ path, /** @type {string} */ name) {
    if (!await own(lock)) throw inUse(name);
    folder = await navigator.storage.getDirectory();
    for (const step of path) folder = await folder.getDirectoryHandle(step, { create: true });
  },

  async open(/** @type {string} */ name) {
    const file = await folder.getFileHandle(name, { create: true });
    files.set(++opened, await whileBusy(() => file.createSyncAccessHandle()));
    return opened;
  },

  remove: (/** @type {string} */ name) => folder.removeEntry(name),
  size: (/** @type {number} */ file) => handle(file).getSize(),
  truncate: (/** @type {number} */ file, /** @type {number} */ size) => handle(file).truncate(size),
  flush: (/** @type {number} */ file) => handle(file).flush(),

  read(/** @type {number} */ file, /** @type {number} */ offset, /** @type {number} */ length) {
    const bytes = new Uint8Array(Math.max(Math.min(length, handle(file).getSize() - offset), 0));
    for (let done = 0; done < bytes.length;) {
      const got = handle(file).read(bytes.subarray(done), { at: offset + done });
      if (got === 0) return bytes.slice(0, done);
      done += got;
    }
    return bytes;
  },

  write(/** @type {number} */ file, /** @type {number} */ offset, /** @type {Uint8Array<ArrayBuffer>} */ bytes) {
    for (let done = 0; done < bytes.length;) {
      const put = handle(file).write(bytes.subarray(done), { at: offset + done });
      if (put === 0) throw new DOMException("Nothing more could be written.", "QuotaExceededError");
      done += put;
    }
  },

  close(/** @type {number} */ file) {
    handle(file).close();
    files.delete(file);
  },

  end() {
    for (const file of files.values()) file.close();
    files.clear();
    giveBack();
  },
};

/**
 * How long the page that was here before may take to go, in milliseconds: one
 * that is loaded again is there before its Workers of the last time have ended.
 */
const goneLimit = 1000;

/**
 * Takes a Web Lock until end(), or the end of this Worker.
 * @param {string} name
 * @returns {Promise<boolean>} false if somebody else has it
 */
function own(name) {
  return new Promise((resolve, reject) => {
    navigator.locks.request(name, { signal: AbortSignal.timeout(goneLimit) }, () => {
      resolve(true);
      return /** @type {Promise<void>} */ (new Promise((free) => { giveBack = free; }));
    }).catch((error) => error?.name === "TimeoutError" ? resolve(false) : reject(error));
  });
}
