import { NbdError, invalid } from "../errors.js";
import { check, isBoolean, isFunction, isSignal } from "../options.js";
import { Progress } from "../progress.js";
import { unlessAborted } from "../signals.js";
import { carry } from "./carry.js";
import { targetOf } from "./sinks.js";

/** @typedef {import("../device.js").BlockDevice} BlockDevice */
/** @typedef {import("./sinks.js").CopyState} CopyState */
/** @typedef {import("./sinks.js").Sink} Sink */

/**
 * @typedef {object} CopyOptions
 * @property {(progress: import("../progress.js").ProgressState) => void} [onProgress]
 *   at most 10 times a second, and at the end
 * @property {AbortSignal} [signal] stops it; the promise rejects with its reason
 * @property {boolean} [skipHoles] default true: what block status tells as zeros is
 *   not read; false reads all of it
 * @property {CopyState} [from] goes on from this state
 * @property {(state: CopyState) => void} [onState] every 5 seconds, after a flush
 *   where the sink is a device; and when the copy stops before its end
 */

/**
 * What a copy did; without what was done before it went on.
 * @typedef {object} CopyReport
 * @property {number} copied bytes that were read and written
 * @property {number} skipped bytes that were not read, since they are zeros
 * @property {number} milliseconds
 */

/** @type {import("../options.js").Rules} */
const rules = { skipHoles: isBoolean };

/**
 * Copies a device from its begin to its end. Reads are under way while the
 * sink writes, at most 8 MiB of either. The first failure ends it.
 * @param {BlockDevice} device
 * @param {Sink} sink stays open: the caller closes it
 * @param {CopyOptions} [options]
 * @returns {Promise<CopyReport>} rejects with an NbdError, whose offset is where
 *   it failed, or with the signal's reason
 */
export async function copy(device, sink, options = {}) {
  const { signal, onProgress, onState, skipHoles = true, from = { offset: 0 } } = checkOptions(options, rules);
  const offset = offsetOf(from, sourceOf(device).size);
  signal?.throwIfAborted();
  const began = performance.now();
  const progress = new Progress(device.size, onProgress, { done: offset });
  const taker = targetOf(sink, offset, device.size, signal);
  try {
    await unlessAborted(taker.begin(), signal);
    await carry({ device, taker, from: offset, skipHoles, progress, onState, signal });
    await taker.end();
  } finally {
    taker.release();
  }
  progress.end();
  const { done, skipped } = progress.state();
  return { copied: done - offset - skipped, skipped, milliseconds: Math.round(performance.now() - began) };
}

/** What copies and hashes both take. @type {import("../options.js").Rules} */
const commonRules = { signal: isSignal, onProgress: isFunction, onState: () => true, from: () => true };

/**
 * @param {any} options
 * @param {import("../options.js").Rules} rules beside the common ones
 */
export function checkOptions(options, rules) {
  const given = check(options, { ...commonRules, ...rules });
  if (given.onState !== undefined && !isFunction(given.onState)) throw invalid("Option onState must be a function.");
  return given;
}

/**
 * @param {any} device
 * @returns {BlockDevice}
 */
export function sourceOf(device) {
  if (typeof device?.read === "function" && typeof device.blockStatus === "function" && Number.isSafeInteger(device.size)) return device;
  throw invalid("What is read must be a device: a Disk, or what a layer gave.");
}

/**
 * @param {any} from
 * @param {number} size
 * @returns {number}
 */
export function offsetOf(from, size) {
  const { offset } = from ?? {};
  if (!Number.isSafeInteger(offset) || offset < 0) throw invalid("Option from must be a state, as onState gives it.");
  if (offset <= size) return offset;
  throw new NbdError("OUT_OF_RANGE", `Option from goes on at ${offset}, and the device has ${size} bytes: it is the state of another.`, { offset, length: 0 });
}
