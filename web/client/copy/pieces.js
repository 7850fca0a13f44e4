// A device from an offset to its end, in pieces and in order: what block status
// tells as zeros is not read.
import { exactly } from "../checks.js";
import { NbdError } from "../errors.js";
import { append } from "../ranges.js";
import { openScope } from "../signals.js";

/** Bytes of one read at most. */
const chunk = 1 << 20;
/** Bytes that are under way, or wait for their turn, at most. */
const windowBytes = 8 << 20;
/** Reads and stretches of zeros of which the same is true. */
const windowPieces = 32;
/** Zeros shorter than this, in bytes, are cheaper to read than to go around. */
const shortest = 64 << 10;
/** Bytes whose block status is asked for at first, and how the answers change that. */
const firstSpan = 1 << 30;
const fewExtents = 1024;
const spans = { least: 64 << 20, most: 2 ** 40 };

/** @typedef {import("../device.js").BlockDevice} BlockDevice */
/** @typedef {import("../ranges.js").Extent} Extent */

/**
 * A stretch of the device; without bytes, of zeros.
 * @typedef {Extent & {bytes?: Uint8Array<ArrayBuffer>}} Piece
 */

/**
 * How a device is cut.
 * @typedef {object} Cut
 * @property {number} from in bytes
 * @property {boolean} skipHoles false reads all of it
 * @property {number} longest bytes of one stretch of zeros at most
 */

/**
 * Reads ahead of its caller, and no more than fits in the window.
 * @param {BlockDevice} device
 * @param {Cut} cut
 * @param {AbortSignal} signal
 * @returns {AsyncGenerator<Piece, void, undefined>}
 */
export async function* pieces(device, cut, signal) {
  const { scope, end } = openScope(signal);
  /** @type {{extent: Extent, reading: Promise<Uint8Array<ArrayBuffer> | undefined>}[]} */ const ahead = [];
  let bytes = 0;
  try {
    const plan = planned(device, cut, scope);
    for (let next = await plan.next(); ahead.length || !next.done;) {
      for (; !next.done && ahead.length < windowPieces && bytes < windowBytes; next = await plan.next()) {
        ahead.push(begin(device, next.value, scope));
        bytes += costOf(next.value);
      }
      const { extent, reading } = /** @type {typeof ahead[number]} */ (ahead.shift());
      const read = await reading;
      signal.throwIfAborted(); // also what had come before
      bytes -= costOf(extent);
      yield { ...extent, bytes: read };
    }
  } finally {
    end();
  }
}

/** @param {Extent} extent */
const costOf = ({ type, length }) => type === "data" ? length : 0;

/**
 * @param {BlockDevice} device
 * @param {Extent} extent
 * @param {AbortSignal} signal
 */
function begin(device, extent, signal) {
  const reading = extent.type === "data" ? all(device, extent, signal) : Promise.resolve(undefined);
  reading.catch(() => {}); // told when it is its turn, which may never come
  return { extent, reading };
}

/** @param {BlockDevice} device @param {Extent} extent @param {AbortSignal} signal */
async function all(device, { offset, length }, signal) {
  return exactly(await device.read(offset, length, { signal }), length);
}

/**
 * @param {BlockDevice} device
 * @param {Cut} cut
 * @param {AbortSignal} signal
 * @returns {AsyncGenerator<Extent, void, undefined>}
 */
async function* planned(device, { from, skipHoles, longest }, signal) {
  let span = skipHoles ? firstSpan : device.size;
  for (let at = from, length = 0; at < device.size; at += length) {
    length = Math.min(span, device.size - at);
    const extents = skipHoles ? await device.blockStatus(at, length, { signal }) : [dataAt(at, length)];
    span = extents.length > fewExtents ? Math.max(span / 2, spans.least) : Math.min(span * 2, spans.most);
    for (const extent of worthwhile(extents, at, length)) yield* cutUp(extent, extent.type === "data" ? chunk : longest);
  }
}

/** @param {number} offset @param {number} length @returns {Extent} */
const dataAt = (offset, length) => ({ offset, length, type: "data" });

/** What is known to be zeros and worth going around. @param {Extent} extent */
const isWorthwhile = ({ type, length }) => (type === "hole" || type === "zero") && length >= shortest;

/**
 * What is worth going around, and the rest as data. An answer with gaps would
 * be a copy with gaps.
 * @param {Extent[]} told
 * @param {number} from
 * @param {number} length
 */
function worthwhile(told, from, length) {
  /** @type {Extent[]} */ const extents = [];
  let at = from;
  for (const extent of told) {
    if (extent.offset !== at || !(extent.length > 0)) break;
    append(extents, { ...extent, type: isWorthwhile(extent) ? extent.type : "data" });
    at += extent.length;
  }
  if (at === from + length) return extents;
  throw new NbdError("INTERNAL", `The device was asked for the block status of ${length} bytes at ${from} and told something else, from ${at} on. Its blockStatus must tell the whole range in order; or go without, with skipHoles: false.`, { offset: at });
}

/**
 * @param {Extent} extent
 * @param {number} longest
 * @returns {Generator<Extent, void, undefined>}
 */
function* cutUp({ offset, length, type }, longest) {
  for (let done = 0; done < length; done += longest) yield { offset: offset + done, length: Math.min(longest, length - done), type };
}
