// What the functions of this folder may be asked for.
import { invalid } from "../errors.js";
import { check, isBoolean, isFunction, isSignal, listRules } from "../options.js";

/** @typedef {import("./types.js").State} State */
/** @typedef {import("./types.js").Settings} Settings */

/** What can be hashed. */
const digests = Object.freeze(["md5", "sha1", "sha256", "sha512"]);
const formats = Object.freeze(["raw", "zstd"]);

/** Of reads that failed, how often they are made again at most. */
const mostRetries = 100;
/** Bounds of the option smallest, in bytes. */
const leastRead = 512;
const mostRead = 64 << 10;

const later = () => true; // it is checked below, and says better what it wants
/** @type {import("../options.js").Rules} */
export const fileRules = { wasm: listRules.wasm, worker: listRules.worker, signal: isSignal };
/** @type {import("../options.js").Rules} */
const passRules = { ...fileRules, onProgress: isFunction, skipHoles: isBoolean, zeros: later };
/** @type {import("../options.js").Rules} */
const acquireRules = {
  ...fileRules, onProgress: isFunction, onState: later, outages: later, skipHoles: isBoolean,
  format: later, hashes: later, retries: later, smallest: later, facts: later, connection: later, from: later,
};

/** @param {any} options of acquire */
export function choose(options) {
  const { wasm, worker, signal, onProgress, onState, outages, facts = {}, connection = {}, from, ...own } = check(options, acquireRules);
  for (const [name, listener] of Object.entries({ onState, outages })) {
    if (listener !== undefined && !isFunction(listener)) throw invalid(`Option ${name} must be a function.`);
  }
  const { format, ...settings } = from === undefined ? { ...defaults, ...own } : ofState(from, own);
  checkFormat(format);
  checkSettings(settings);
  return {
    wish: textOf({ format, settings, facts, connection, from }),
    hashes: /** @type {string[]} */ (settings.hashes),
    listeners: { onProgress, onState, outages },
    files: { wasm, worker },
    signal: /** @type {AbortSignal | undefined} */ (signal),
  };
}

const defaults = { format: "raw", hashes: ["sha256"], retries: 2, smallest: 4096, skipHoles: true };

/**
 * What was chosen at first counts.
 * @param {any} from
 * @param {Record<string, any>} own
 * @returns {any}
 */
function ofState(from, own) {
  const settings = from?.log?.settings, format = from?.image?.format;
  if (!settings || !Number.isSafeInteger(from.offset)) throw invalid("Option from must be a state, as onState gives it.");
  if (from.log.status === "complete") throw invalid("The state in option from is of an acquisition that is complete: there is nothing left to acquire.");
  const { hashes, retries, smallest, skipHoles } = settings;
  const known = { format, hashes, retries, smallest, skipHoles };
  const other = Object.entries(own).find(([name, value]) => JSON.stringify(value) !== JSON.stringify(/** @type {any} */ (known)[name]));
  if (other) throw invalid(`Option ${other[0]} is not that of the state in option from: leave it out, or acquire from the begin.`);
  return known;
}

/** @param {any} hashes @param {any} options of pass */
export function choosePass(hashes, options) {
  const { wasm, worker, signal, onProgress, zeros = [], skipHoles = defaults.skipHoles } = check(options, passRules);
  checkHashes(hashes);
  if (!hashes.length) throw invalid("A pass needs a hash: name at least one.");
  if (!Array.isArray(zeros)) throw invalid("Option zeros must be an array of {offset, length}, in order.");
  return { wish: textOf({ hashes, zeros, skipHoles }), listeners: { onProgress }, files: { wasm, worker }, signal: /** @type {AbortSignal | undefined} */ (signal) };
}

/** @param {any} format */
export function checkFormat(format) {
  if (!formats.includes(format)) throw invalid(`There is no format ${String(format)}: known are ${formats.join(" and ")}.`);
}

/** @param {Record<string, any>} settings */
function checkSettings({ hashes, retries, smallest, skipHoles }) {
  checkHashes(hashes);
  if (!Number.isInteger(retries) || retries < 0 || retries > mostRetries) throw invalid(`Option retries must be an integer from 0 to ${mostRetries}.`);
  if (!Number.isInteger(smallest) || smallest < leastRead || smallest > mostRead || (smallest & (smallest - 1)) !== 0) throw invalid(`Option smallest must be a power of two from ${leastRead} to ${mostRead}, in bytes.`);
  if (!isBoolean(skipHoles)) throw invalid("Option skipHoles must be a boolean.");
}

/** @param {any} names */
function checkHashes(names) {
  if (!Array.isArray(names) || new Set(names).size < names.length || !names.every((name) => digests.includes(name))) {
    throw invalid(`Hashes are an array of names, each once: known are ${digests.join(", ")}.`);
  }
}

/** As JSON has it, so that nobody changes it under way. @param {any} wish */
function textOf(wish) {
  try {
    return JSON.stringify(wish);
  } catch (error) {
    throw invalid(`Facts, connection and state must be plain JSON (${error}).`);
  }
}
