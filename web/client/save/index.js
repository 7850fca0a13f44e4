import { NbdError, invalid } from "../errors.js";
import { check, isFunction, isSignal } from "../options.js";
import { Progress } from "../progress.js";
import { safeName } from "../range/filename.js";
import { unlessAborted } from "../signals.js";
import { startDownload } from "./download.js";
import { pickFile } from "./picker.js";
import { sourceOf } from "./source.js";
import { stageFile } from "./stage.js";

/** @typedef {import("../device.js").BlockDevice} BlockDevice */

/** @typedef {import("./target.js").Target} Target */

/**
 * @typedef {object} Saving
 * @property {(state: import("../progress.js").ProgressState | StreamState) => void} [onProgress]
 *   at most 10 times a second, and at the end
 * @property {AbortSignal} [signal]
 */

/** That of a stream, whose length nobody knows. @typedef {Omit<import("../progress.js").ProgressState, "total"> & {total: undefined}} StreamState */

/** @typedef {Saving & import("../range/register.js").WorkerOptions} SaveOptions */

const anything = () => true; // whoever uses it checks it
const rules = { onProgress: isFunction, signal: isSignal, script: anything, scope: anything };

/**
 * Saves a device, or a stream of Uint8Arrays, as a file of the user's. It takes
 * the first of these ways that there is: the browser's dialog for saving, which
 * needs a click of the user just before; a download through the Service Worker
 * of nbdbridge/range; a file in the browser's own storage, which takes room for
 * all of it, and from there a download.
 *
 * A save that fails or is given up leaves no file that looks whole.
 * @param {BlockDevice | ReadableStream<Uint8Array>} source it is read once
 * @param {string} name which the browser suggests, or takes; what is not fit
 *   for a name of a file is left out of it
 * @param {SaveOptions} [options]
 * @returns {Promise<void>} fulfils when the browser has all bytes; rejects with
 *   the signal's reason, an AbortError when the user gives up, ENOSPC or EIO
 *   where the bytes can't be kept, ENOTSUP where there is no way, and what the
 *   source rejects with
 */
export async function saveAs(source, name, options = {}) {
  const { onProgress, signal, ...where } = check(options, rules);
  checkPage();
  if (typeof name !== "string") throw invalid("saveAs takes a name for the file.");
  signal?.throwIfAborted();
  const { total, chunks, end } = sourceOf(source, signal);
  const progress = new Progress(total ?? 0, total === undefined ? withoutTotal(onProgress) : onProgress);
  try {
    await pump(chunks, await found(targetFor(safeName(name), total, where), signal), progress, signal);
  } finally {
    end();
  }
}

/**
 * Waits for a target, and ends one that comes when nobody wants it any more.
 * @param {Promise<Target>} coming
 * @param {AbortSignal} [signal]
 * @returns {Promise<Target>}
 */
function found(coming, signal) {
  return unlessAborted(coming, signal).catch((error) => {
    coming.then((target) => target.abort(error)).catch(() => {}); // the abort is told
    throw error;
  });
}

/** @param {Saving["onProgress"]} tell @returns {((state: import("../progress.js").ProgressState) => void) | undefined} */
function withoutTotal(tell) {
  return tell && ((state) => tell({ ...state, total: undefined, left: undefined }));
}

/**
 * @param {AsyncIterable<Uint8Array<ArrayBuffer>>} chunks
 * @param {Target} target
 * @param {Progress} progress
 * @param {AbortSignal} [signal]
 */
async function pump(chunks, target, progress, signal) {
  try {
    for await (const bytes of chunks) {
      const count = bytes.length; // it is not there any more when it was written
      await unlessAborted(target.write(bytes), signal);
      progress.add(count);
    }
    signal?.throwIfAborted();
    await unlessAborted(target.close(), signal);
  } catch (error) {
    await target.abort(error).catch(() => {}); // the first cause is told
    throw error;
  }
  progress.end();
}

/**
 * @param {string} name
 * @param {number | undefined} total
 * @param {import("../range/register.js").WorkerOptions} where
 * @returns {Promise<Target>}
 */
async function targetFor(name, total, where) {
  return await pickFile(name) ?? await startDownload(name, total, where) ?? stageFile(name);
}

function checkPage() {
  if (!globalThis.document) throw new NbdError("ENOTSUP", "Only a page can save files. Hand the device to the page, with handleOf and deviceOf of nbdbridge/handle.", {}, { stage: "client" });
}
