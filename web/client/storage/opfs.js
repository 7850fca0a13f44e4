import { NbdError, invalid } from "../errors.js";
import { StorageCalls } from "./calls.js";
import { inUse, storageError, whileBusy } from "./failures.js";

// Folders of the origin private file system, which the browser keeps for each
// origin in its profile: nbdbridge/KIND/NAME. KIND is ours, NAME the user's.

/** @typedef {import("./file.js").StoreFile} StoreFile */
/** @typedef {import("./file.js").StoreFolder} StoreFolder */

const top = "nbdbridge";

/** What some file systems under the browser take, in bytes. */
const longestName = 200;

/**
 * Opens a folder, and makes it if there is none. It has one owner over all tabs
 * and Workers of the origin: a Web Lock sees to it. Works in pages and Workers.
 * @param {string} kind of the store
 * @param {string} name
 * @returns {Promise<StoreFolder>} rejects with IN_USE if it is open elsewhere,
 *   ENOTSUP where the browser can't
 */
export async function opfsFolder(kind, name) {
  const entry = entryOf(name);
  checkSupport();
  const calls = new StorageCalls(title(kind, name));
  try {
    await calls.call("start", [lockOf(kind, entry), [top, kind, entry], calls.what]);
  } catch (/** @type {any} */ error) {
    calls.terminate(error);
    throw error;
  }
  return {
    open: async (file) => openFile(calls, await calls.call("open", [file])),
    remove: (file) => calls.call("remove", [file]),
    close: () => calls.end(),
  };
}

/**
 * @param {StorageCalls} calls
 * @param {number} file
 * @returns {StoreFile}
 */
function openFile(calls, file) {
  return {
    size: () => calls.call("size", [file]),
    read: (offset, length) => calls.call("read", [file, offset, length]),
    write: (offset, bytes) => calls.call("write", [file, offset, bytes], [bytes.buffer]),
    truncate: (size) => calls.call("truncate", [file, size]),
    flush: () => calls.call("flush", [file]),
    close: () => calls.call("close", [file]),
  };
}

/**
 * Deletes a folder with all that is in it; fulfils if there is none.
 * @param {string} kind
 * @param {string} name
 * @returns {Promise<void>} rejects with IN_USE if it is open
 */
export async function deleteFolder(kind, name) {
  const entry = entryOf(name);
  checkSupport();
  await navigator.locks.request(lockOf(kind, entry), { ifAvailable: true }, async (lock) => {
    if (!lock) throw inUse(title(kind, name));
    await missingIsFine(title(kind, name), undefined, async () => {
      const parent = await folderOf(kind);
      await whileBusy(() => parent.removeEntry(entry, { recursive: true }));
    });
  });
}

/**
 * The names of the folders of a kind, in no order.
 * @param {string} kind
 * @returns {Promise<string[]>}
 */
export async function listFolders(kind) {
  checkSupport();
  return missingIsFine(`The list of ${kind}s`, [], async () => {
    /** @type {string[]} */ const names = [];
    for await (const entry of (await folderOf(kind)).keys()) names.push(decodeURIComponent(entry));
    return names;
  });
}

/** @param {string} kind */
async function folderOf(kind) {
  const root = await navigator.storage.getDirectory();
  return (await root.getDirectoryHandle(top)).getDirectoryHandle(kind);
}

/**
 * @template T
 * @param {string} what
 * @param {T} nothing
 * @param {() => Promise<T>} task
 * @returns {Promise<T>}
 */
async function missingIsFine(what, nothing, task) {
  try {
    return await task();
  } catch (/** @type {any} */ error) {
    if (error?.name === "NotFoundError") return nothing;
    throw storageError(error, what);
  }
}

let asked = false;

/**
 * Asks the browser, once, not to throw the origin's data away when room is
 * short. Some ask the user: nothing waits for the answer. Workers can't ask.
 */
export function askToPersist() {
  if (asked || typeof navigator.storage?.persist !== "function") return;
  asked = true;
  navigator.storage.persist().catch(() => {}); // it stays as it was
}

function checkSupport() {
  const { navigator: browser, isSecureContext, Worker: worker } = /** @type {any} */ (globalThis);
  if (browser?.storage?.getDirectory && browser.locks && worker) return;
  throw new NbdError("ENOTSUP", isSecureContext === false
    ? "Browsers keep files only for secure pages. Serve the page over https, or from localhost."
    : "The browser has no private file system, or not here. It takes Chromium 108, Firefox 114 or Safari 16.4, and a page or a dedicated Worker.", {}, { stage: "client" });
}

/** @param {string} kind @param {string} name */
const title = (kind, name) => `The ${kind} "${name}"`;

/** @param {string} kind @param {string} entry */
const lockOf = (kind, entry) => `${top}:${kind}/${entry}`;

/**
 * The name as file systems take it, whatever is in it, also those that do not
 * tell capital letters from small ones.
 * @param {string} name
 */
function entryOf(name) {
  if (typeof name !== "string" || !/^(?=.)\P{Surrogate}*$/su.test(name)) throw invalid("A store needs a name: a string that is not empty.");
  const entry = encodeURIComponent(name).replace(/%..|[A-Z!'()*.~]/g, (c) => c.length > 1 ? c : `%${c.charCodeAt(0).toString(16)}`);
  if (entry.length > longestName) throw invalid(`The name of the store is too long: at most ${longestName} bytes, and three for each that is no small letter or digit.`);
  return entry;
}
