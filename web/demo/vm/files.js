// Files of a machine, in the browser's private storage: each is replaced as a whole.
import { NbdError } from "../../client/index.js";
import { humanSize } from "../page/text.js";

const top = "nbdbridge-vm";
/** Bytes that are written at once, so that progress can be told. */
const piece = 1 << 20;

/** Whether the browser keeps files for this page. */
export function keepsFiles() {
  return isSecureContext && "getDirectory" in (navigator.storage ?? {}) && "locks" in navigator && "createWritable" in (globalThis.FileSystemFileHandle?.prototype ?? {});
}

/** @param {string} machine @param {boolean} create */
async function folderOf(machine, create) {
  const root = await navigator.storage.getDirectory();
  return (await root.getDirectoryHandle(top, { create })).getDirectoryHandle(machine, { create });
}

/**
 * A file without bytes is one whose page ended when it was first written, and
 * counts as none.
 * @param {string} machine
 * @param {string} name
 * @returns {Promise<File | undefined>}
 */
export async function findFile(machine, name) {
  try {
    const file = await (await (await folderOf(machine, false)).getFileHandle(name)).getFile();
    return file.size > 0 ? file : undefined;
  } catch (/** @type {any} */ error) {
    if (error?.name === "NotFoundError") return undefined;
    throw told(error, 0);
  }
}

/**
 * Writes a file in the place of the one before, which stays if it fails.
 * @param {string} machine
 * @param {string} name
 * @param {Uint8Array<ArrayBuffer>[]} parts
 * @param {{signal?: AbortSignal, onBytes?: (count: number) => void}} [options]
 * @returns {Promise<void>} rejects with ENOSPC where there is no room
 */
export async function writeFile(machine, name, parts, { signal, onBytes } = {}) {
  const size = parts.reduce((sum, { length }) => sum + length, 0);
  /** @type {FileSystemWritableFileStream | undefined} */ let file;
  try {
    file = await (await (await folderOf(machine, true)).getFileHandle(name, { create: true })).createWritable();
    for (const part of parts) {
      for (let at = 0; at < part.length; at += piece) {
        signal?.throwIfAborted();
        const bytes = part.subarray(at, at + piece);
        await file.write(bytes);
        onBytes?.(bytes.length);
      }
    }
    await file.close();
  } catch (error) {
    await file?.abort().catch(() => {}); // the first cause is told
    signal?.throwIfAborted();
    throw told(error, size);
  }
}

/**
 * Removes a file; fulfils if there is none.
 * @param {string} machine
 * @param {string} name
 */
export async function removeFile(machine, name) {
  try {
    await (await folderOf(machine, false)).removeEntry(name);
  } catch (/** @type {any} */ error) {
    if (error?.name !== "NotFoundError") throw told(error, 0);
  }
}

/** @param {any} error @param {number} size */
function told(error, size) {
  if (error?.name === "QuotaExceededError") {
    return new NbdError("ENOSPC", `The browser has no room for ${humanSize(size)} more. Free some: forget saved states of other machines, discard changes, or delete data of sites in the browser's settings.`, {}, { stage: "client", cause: error });
  }
  return new NbdError("EIO", `The browser's storage failed (${error}). Reload the page and try again.`, {}, { stage: "client", cause: error });
}
