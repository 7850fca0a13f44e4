import { checkDevice } from "../checks.js";
import { invalid } from "../errors.js";
import { choose, choosePass } from "./choices.js";
import { Crew } from "./crew.js";
import { Desk } from "./desk.js";

/** How long the last state may take after an abort, in milliseconds. */
const stopLimit = 10_000;
/** How long the sink may take for what it was given, after a failure, in milliseconds. */
const idleLimit = 6000;

/** @typedef {import("../device.js").BlockDevice} BlockDevice */
/** @typedef {import("./sinks.js").Sink} Sink */
/** @typedef {import("./types.js").Log} Log */
/** @typedef {import("./types.js").State} State */
/** @typedef {import("./types.js").DigestName} DigestName */

/**
 * What the log is to say that only the page knows. Every part may be missing,
 * and every field of one.
 * @typedef {object} Facts
 * @property {Partial<import("./types.js").Tool>} [tool]
 * @property {import("./types.js").Page} [page]
 * @property {Partial<import("./types.js").Case>} [case]
 * @property {Partial<import("./types.js").Source>} [source]
 * @property {{name: string}} [image]
 */

/** @typedef {import("./calls.js").Files} Files */

/**
 * @typedef {object} Choices
 * @property {import("./types.js").Format} [format] default "raw"
 * @property {readonly DigestName[]} [hashes] default ["sha256"]; may be empty
 * @property {number} [retries] of what could not be read, with reads of the largest and of the smallest size; 0 to 100, default 2
 * @property {number} [smallest] bytes of the smallest read, a power of two from 512 to 64 KiB; default 4096
 * @property {boolean} [skipHoles] default true: what block status tells as zeros is not read
 * @property {Facts} [facts]
 * @property {import("./types.js").Connection} [connection] of this session
 * @property {() => import("./types.js").Outage[]} [outages] asked whenever a state is made
 * @property {State} [from] goes on from this state, which has format, hashes,
 *   settings and facts: these may be left out, and must be the same if they are not
 * @property {(state: State) => void | Promise<void>} [onState] every few seconds and at
 *   the end, also when it fails; the image is synced before. It is awaited: the
 *   next one comes when it has fulfilled, and if it rejects, the acquisition does
 * @property {(progress: import("./types.js").AcquireProgress) => void} [onProgress] at most 10 times a second
 * @property {AbortSignal} [signal] stops it; the promise rejects with its reason, after the last state
 */

/** @typedef {Choices & Files} AcquireOptions */

/**
 * Reads a device from its begin to its end into an image. What can't be read is
 * read again, in smaller pieces, and becomes zeros that the log tells of; only
 * the end of the device, or of the sink, ends the acquisition.
 * @param {BlockDevice} device stays open
 * @param {Sink} sink stays open: the caller closes what it is made of. Without
 *   a state it is cut to nothing first
 * @param {AcquireOptions} [options]
 * @returns {Promise<Log>} complete. Rejects, after the last state, with what
 *   ended it, ENOSPC where the sink has no room, WORKER when a Worker has died,
 *   or the signal's reason
 */
export async function acquire(device, sink, options = {}) {
  const { wish, hashes, listeners, files, signal } = choose(options);
  checkDevice(device);
  return reading("acquire", { device, hashes, listeners: { ...listeners, sink: checkSink(sink) }, wish, files, signal });
}

/**
 * @typedef {object} PassChoices
 * @property {readonly import("./types.js").Range[]} [zeros] what counts as zeros and is not
 *   read, in order: the zeroFilled of a log
 * @property {boolean} [skipHoles] default true: what block status tells as zeros is not read
 * @property {(progress: import("./types.js").AcquireProgress) => void} [onProgress] at most 10 times a second
 * @property {AbortSignal} [signal]
 */

/** @typedef {PassChoices & Files} PassOptions */

/**
 * One more reading, for its hashes. The first failure ends it.
 * @template {DigestName} Name
 * @param {BlockDevice} device stays open
 * @param {readonly Name[]} hashes
 * @param {PassOptions} [options]
 * @returns {Promise<Record<Name, string>>} in lower-case hex
 */
export async function pass(device, hashes, options = {}) {
  const { wish, listeners, files, signal } = choosePass(hashes, options);
  checkDevice(device);
  return reading("pass", { device, hashes, listeners, wish, files, signal });
}

/**
 * @param {"acquire" | "pass"} method
 * @param {{device: BlockDevice, hashes: readonly string[], listeners: import("./desk.js").Listeners, wish: string, files: Files, signal?: AbortSignal}} job
 * @returns {Promise<any>}
 */
async function reading(method, { device, hashes, listeners, wish, files, signal }) {
  signal?.throwIfAborted();
  const crew = new Crew(files), desk = new Desk(listeners);
  try {
    await crew.start(device, hashes, signal);
    return await patiently(crew.call(method, desk.port, wish, signal), signal);
  } catch (error) {
    signal?.throwIfAborted();
    throw desk.original(error);
  } finally {
    await crew.end();
    await desk.close(idleLimit);
  }
}

/**
 * @template T
 * @param {Promise<T>} work that ends by itself soon after an abort
 * @param {AbortSignal} [signal]
 * @returns {Promise<T>} rejects at the limit, if it does not
 */
async function patiently(work, signal) {
  let timer, abort = () => {};
  const late = new Promise((_, reject) => {
    abort = () => { timer = setTimeout(reject, stopLimit, signal?.reason); };
    signal?.addEventListener("abort", abort, { once: true });
  });
  try {
    return await /** @type {Promise<T>} */ (Promise.race([work, late]));
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
  }
}

/** @param {any} sink @returns {Sink} */
function checkSink(sink) {
  if (["write", "skip", "sync", "size", "truncate"].every((name) => typeof sink?.[name] === "function")) return sink;
  throw invalid("An image goes to a sink: what storedSink, fileSink or streamSink gives, or an object with write, skip, sync, size and truncate.");
}
