import { storageError } from "../storage/failures.js";

/**
 * Where the bytes of a save go. What abort leaves behind is nothing, or does
 * not look like the file.
 * @typedef {object} Target
 * @property {(bytes: Uint8Array<ArrayBuffer>) => Promise<void>} write takes the bytes' buffer over
 * @property {() => Promise<void>} close
 * @property {(why: unknown) => Promise<void>} abort
 */

/**
 * Has the browser's errors told as the client's.
 * @param {string} name of the file
 * @param {Target} target
 * @returns {Target}
 */
export function told(name, target) {
  const tell = (/** @type {any} */ error) => {
    throw error?.name === "AbortError" ? error : storageError(error, `Saving "${name}"`);
  };
  return { ...target, write: (bytes) => target.write(bytes).catch(tell), close: () => target.close().catch(tell) };
}
