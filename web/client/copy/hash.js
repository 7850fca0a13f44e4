import { invalid } from "../errors.js";
import { listRules } from "../options.js";
import { Progress } from "../progress.js";
import { unlessAborted } from "../signals.js";
import { carry } from "./carry.js";
import { checkOptions, offsetOf, sourceOf } from "./copy.js";
import { Hashers } from "./hashers.js";
import { isHex } from "./hex.js";

/** What hash can compute. */
export const algorithms = Object.freeze(/** @type {const} */ (["md5", "sha1", "sha256", "sha512", "crc32"]));

/** Digits of a hash's state at most; that of SHA-512 has 424. */
const longestState = 1024;

/** @typedef {typeof algorithms[number]} HashName */
/** @typedef {import("./hashers.js").HashState} HashState */

/**
 * @typedef {object} HashOptions
 * @property {(progress: import("../progress.js").ProgressState) => void} [onProgress]
 *   at most 10 times a second, and at the end
 * @property {AbortSignal} [signal] stops it; the promise rejects with its reason
 * @property {HashState} [from] goes on from this state, which has all the algorithms
 * @property {(state: HashState) => void} [onState] every 5 seconds, and when the
 *   hash stops before its end. A state may be kept as JSON
 * @property {string | URL | WebAssembly.Module} [wasm] where evidence.wasm is, if not
 *   beside the client's modules, or what it compiles to
 * @property {string | URL | (() => Worker)} [worker] where worker.js is, if not
 *   beside the client's modules, or a function that starts a Worker with it
 */

/** @type {import("../options.js").Rules} */
const rules = { wasm: listRules.wasm, worker: listRules.worker };

/**
 * Hashes a device from its begin to its end. It is read once; each algorithm
 * has a Worker of its own. What block status tells as zeros is not read.
 * @template {HashName} Name
 * @param {import("../device.js").BlockDevice} device
 * @param {readonly Name[]} names such as ["md5", "sha256"]
 * @param {HashOptions} [options]
 * @returns {Promise<Record<Name, string>>} in lower-case hex; rejects with an
 *   NbdError, whose offset is where a read failed, or with the signal's reason
 */
export async function hash(device, names, options = {}) {
  const { signal, onProgress, onState, from, wasm, worker } = checkOptions(options, rules);
  const { size } = sourceOf(device);
  checkNames(names);
  const offset = from === undefined ? 0 : checkState(from, names, size);
  signal?.throwIfAborted();
  const progress = new Progress(size, onProgress, { done: offset });
  const hashers = new Hashers(size);
  try {
    await hashers.begin(names, { wasm, worker, signal }, from);
    await carry({ device, taker: hashers, from: offset, skipHoles: true, progress, onState, signal });
    const sums = await unlessAborted(hashers.sums(), signal);
    progress.end();
    return /** @type {Record<Name, string>} */ (sums);
  } finally {
    hashers.end();
  }
}

/** @param {any} names */
function checkNames(names) {
  if (!Array.isArray(names) || names.length === 0 || new Set(names).size < names.length || !names.every((name) => algorithms.includes(name))) {
    throw invalid(`hash takes an array of names, each once: known are ${algorithms.join(", ")}.`);
  }
}

/**
 * @param {any} from
 * @param {readonly string[]} names
 * @param {number} size
 */
function checkState(from, names, size) {
  const offset = offsetOf(from, size);
  if (from.size !== size) throw invalid(`Option from is the state of a device of ${from.size} bytes, and this one has ${size}. Hash it from its begin.`);
  const missing = names.find((name) => !isHex(from.hashes?.[name], longestState));
  if (missing) throw invalid(`Option from has no state of ${missing}. Hash from the begin, or only what it has: ${Object.keys(from.hashes ?? {}).join(", ")}.`);
  return offset;
}
