import { NbdError } from "../errors.js";

/** How long a file may still be open by a page that has ended, in milliseconds. */
const busyLimit = 5000;
const busyPause = 50;

/**
 * What the browser's storage threw, as an error of the client.
 * @param {any} error
 * @param {string} what was being done, to what
 * @returns {NbdError}
 */
export function storageError(error, what) {
  if (error instanceof NbdError) return error;
  if (error?.name === "QuotaExceededError") return new NbdError("ENOSPC", `${what}: the browser gives no more room. Free some on the device, or delete what this site keeps.`, {}, { stage: "client", cause: error });
  if (error?.name === "SecurityError") return new NbdError("ENOTSUP", `${what}: the browser allows this page no storage (${error.message}). Use a window that is not private, and allow the site to keep data.`, {}, { stage: "client", cause: error });
  return new NbdError("EIO", `${what}: the browser's storage failed (${error}). If it was cleared, open it again; it is empty then.`, {}, { stage: "client", cause: error });
}

/** @param {string} what */
export function inUse(what) {
  return new NbdError("IN_USE", `${what} is open in another tab or Worker. Close it there, or use another name.`);
}

/**
 * Tries again while a file is held by a page that has just ended.
 * @template T
 * @param {() => Promise<T>} task
 * @returns {Promise<T>}
 */
export async function whileBusy(task) {
  for (const deadline = Date.now() + busyLimit; ;) {
    try {
      return await task();
    } catch (/** @type {any} */ error) {
      if (error?.name !== "NoModificationAllowedError" || Date.now() > deadline) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, busyPause));
  }
}
