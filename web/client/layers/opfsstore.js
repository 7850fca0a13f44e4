import { invalid } from "../errors.js";
import { byteCount, check } from "../options.js";
import { askToPersist, deleteFolder, listFolders, opfsFolder } from "../storage/opfs.js";
import { longestIdentity } from "./indexheader.js";
import { openLogStore } from "./logstore.js";
import { blockSizeOf } from "./memorystore.js";

/** @typedef {import("../device.js").Bytes} Bytes */
/** @typedef {import("./overlay.js").OverlayStore} OverlayStore */

const kind = "overlay";
const anything = () => true; // checked below

/**
 * Holds what an overlay changes in the browser's private file system, by name.
 * It survives the page: what was flushed, and what was written some hundred
 * milliseconds before the end. The browser keeps it in the clear in the user's
 * profile, and may throw it away when room is short.
 * @param {string} name
 * @param {object} options
 * @param {Bytes} options.size of the device
 * @param {string} [options.identity] of the device, if it has one
 * @param {Bytes} [options.blockSize] of a new store, in bytes, a power of two
 *   from 512 to 1 MiB; default 4096
 * @returns {Promise<OverlayStore>} rejects with IN_USE if it is open elsewhere,
 *   IDENTITY if it was made for another device, ENOTSUP where the browser can't,
 *   EIO if it is damaged
 */
export async function opfsStore(name, options) {
  const given = check(options, { size: anything, identity: anything, blockSize: anything });
  const { identity } = given;
  if (identity !== undefined && typeof identity !== "string") throw invalid("Option identity must be a string, such as the identity of the device.");
  const facts = { size: byteCount("size", given.size), blockSize: blockSizeOf(given.blockSize), identity };
  if (new TextEncoder().encode(identity).length > longestIdentity) throw invalid(`Option identity is too long: want at most ${longestIdentity} bytes.`);
  const folder = await opfsFolder(kind, name);
  askToPersist();
  return openLogStore(folder, { facts, what: `The overlay "${name}"` });
}

/**
 * Deletes a store; fulfils if there is none.
 * @param {string} name
 * @returns {Promise<void>} rejects with IN_USE if it is open
 */
export function deleteOverlay(name) {
  return deleteFolder(kind, name);
}

/**
 * The names of the stores that this origin has.
 * @returns {Promise<string[]>}
 */
export function listOverlays() {
  return listFolders(kind);
}
