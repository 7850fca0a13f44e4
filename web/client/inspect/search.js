import { checkRange, viewOf } from "../checks.js";
import { invalid } from "../errors.js";
import { check, isBoolean, isFunction, isSignal } from "../options.js";
import { Progress } from "../progress.js";

/** @typedef {import("../device.js").Bytes} Bytes */
/** @typedef {typeof encodings[number]} Encoding */

/** How a disk may hold a text. */
export const encodings = Object.freeze(/** @type {const} */ (["utf-8", "utf-16le", "utf-16be"]));

/**
 * What is searched for: bytes, or a text in some encodings, by default in all.
 * ignoreCase is for the letters A to Z alone. It has 1 to 1024 bytes.
 * @typedef {{bytes: ArrayBufferView | ArrayBuffer} | {text: string, encodings?: readonly Encoding[], ignoreCase?: boolean}} Needle
 */

/**
 * @typedef {object} SearchOptions
 * @property {readonly Needle[]} needles at most 3072, each encoding counted
 * @property {Bytes} [offset] default 0
 * @property {Bytes} [length] default: up to the end of the device
 * @property {number} [context] bytes before and after a match that a hit shows
 *   at most, from 0 to 4096; default 0
 * @property {boolean} [skipHoles] go around what block status tells as zeros;
 *   default true. Matches of nothing but zeros are not found there
 * @property {(progress: import("../progress.js").ProgressState) => void} [onProgress]
 *   at most 10 times a second, and at the end
 * @property {AbortSignal} [signal]
 */

/**
 * A match.
 * @typedef {object} Hit
 * @property {number} offset of the match on the device
 * @property {number} length of the match, in bytes
 * @property {number} needle its index
 * @property {Encoding} [encoding] of a text
 * @property {Uint8Array<ArrayBuffer>} bytes the match with what is around it
 * @property {number} before how many of the bytes are before the match
 */

const anything = () => true; // checkRange and needlesOf check it
/** @param {any} v */
const isContext = (v) => Number.isInteger(v) && v >= 0 && v <= 4096;
/** @type {import("../options.js").Rules} */
const rules = { needles: anything, offset: anything, length: anything, context: isContext, skipHoles: isBoolean, onProgress: isFunction, signal: isSignal };

/**
 * @param {import("./calls.js").Calls} calls
 * @param {number} size of the device
 * @param {SearchOptions} options
 * @returns {AsyncGenerator<Hit[], void, undefined>}
 */
export async function* search(calls, size, options) {
  const { needles, offset = 0, length, context = 0, skipHoles = true, onProgress, signal } = check(options, rules);
  const [from] = checkRange(offset, 0, size);
  const [, count] = checkRange(from, length ?? size - from, size);
  const wanted = needlesOf(needles);
  const progress = new Progress(count, onProgress);
  const id = await calls.open("search", [JSON.stringify({ offset: from, length: count, context, skipHoles, needles: wanted })], signal, "endSearch");
  try {
    for (let [ended, done, skipped] = [false, 0, 0]; !ended;) {
      const news = await calls.ask("nextHits", [id], signal);
      if (news.skipped > skipped) progress.skip(news.skipped - skipped);
      progress.add(Math.max(news.done - done - (news.skipped - skipped), 0));
      ({ ended, done, skipped } = news);
      if (news.hits.length) yield news.hits.map((/** @type {any} */ hit) => hitOf(hit, wanted[hit.needle]));
    }
    progress.end();
  } finally {
    calls.drop("endSearch", id);
  }
}

/** @typedef {{index: number, bytes?: string, text?: string, encoding?: Encoding, ignoreCase?: boolean}} Wanted */

/** @param {any} needles */
function needlesOf(needles) {
  if (!Array.isArray(needles) || !needles.length) throw invalid("search takes needles: an array of {bytes} or {text}.");
  return needles.flatMap(wantedOf);
}

/**
 * One for each encoding.
 * @param {any} needle
 * @param {number} index
 * @returns {Wanted[]}
 */
function wantedOf(needle, index) {
  if (typeof needle?.text !== "string") return [{ index, bytes: base64Of(needle?.bytes) }];
  const { text, encodings: wanted = encodings, ignoreCase = false } = needle;
  if (!Array.isArray(wanted) || !wanted.length || !wanted.every((name) => encodings.includes(name))) throw invalid(`The encodings of a needle are an array of ${encodings.join(", ")}.`);
  return wanted.map((encoding) => ({ index, text, encoding, ignoreCase: ignoreCase === true }));
}

/** @param {any} hit @param {Wanted} needle @returns {Hit} */
function hitOf({ offset, length, bytes, before }, { index, encoding }) {
  const hit = { offset, length, needle: index, bytes: Uint8Array.from(atob(bytes), (c) => c.charCodeAt(0)), before };
  return encoding ? { ...hit, encoding } : hit;
}

/** @param {any} needle */
function base64Of(needle) {
  if (!ArrayBuffer.isView(needle) && !(needle instanceof ArrayBuffer)) throw invalid("A needle is {text}, or {bytes}, a Uint8Array.");
  const bytes = viewOf(needle);
  if (bytes.length > 1024) throw invalid(`A needle has ${bytes.length} bytes, and 1 to 1024 will do.`);
  return btoa(String.fromCharCode(...bytes));
}
