import { told } from "./target.js";

/** @typedef {import("./target.js").Target} Target */

/**
 * Asks the user for a file, where the browser has a dialog for that. The browser
 * writes beside the file, and puts it in its place at the end.
 * @param {string} name
 * @returns {Promise<Target | undefined>} undefined where there is no dialog, or
 *   no click that would allow one; rejects with an AbortError if the user gives up
 */
export async function pickFile(name) {
  const { showSaveFilePicker: ask } = /** @type {any} */ (globalThis);
  if (typeof ask !== "function") return undefined;
  /** @type {FileSystemFileHandle} */ let file;
  try {
    file = await ask({ suggestedName: name });
  } catch (/** @type {any} */ error) {
    if (error?.name === "AbortError") throw error;
    return undefined;
  }
  return write(file);
}

/** @param {FileSystemFileHandle} file */
async function write(file) {
  /** @type {Promise<FileSystemWritableFileStream> | undefined} */ let opening;
  const stream = () => opening ??= file.createWritable();
  return told(file.name, {
    write: async (bytes) => (await stream()).write(bytes),
    close: async () => (await stream()).close(),
    abort: async () => {
      await opening?.then((open) => open.abort()).catch(() => {}); // there is none
      if ((await file.getFile()).size === 0) await /** @type {any} */ (file).remove?.(); // the dialog made it
    },
  });
}
