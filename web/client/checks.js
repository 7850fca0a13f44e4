import { NbdError, invalid } from "./errors.js";
import { byteCount, isBoolean, isFunction, isSignal } from "./options.js";

/** @typedef {import("./device.js").BlockDevice} BlockDevice */
/** @typedef {import("./device.js").Bytes} Bytes */

export const callRules = { signal: isSignal };
export const writeRules = { signal: isSignal, fua: isBoolean, transfer: isBoolean };
export const zeroRules = { signal: isSignal, unmap: isBoolean };
const anything = () => true; // byteCount checks it
/** @param {any} v */
const isChunkSize = (v) => Number.isInteger(v) && v > 0 && v <= 16 << 20;
export const streamRules = { signal: isSignal, onProgress: isFunction, offset: anything, length: anything, chunkSize: isChunkSize };

/**
 * @param {Bytes} offset
 * @param {Bytes} length
 * @param {number} size of the device
 * @param {string} [title] how messages call it
 * @returns {[number, number]}
 */
export function checkRange(offset, length, size, title = "device") {
  const from = byteCount("offset", offset);
  const count = byteCount("length", length);
  if (from > size || count > size - from) {
    throw new NbdError("OUT_OF_RANGE", `${count} bytes at ${from} are beyond the end of the ${title}, which has ${size} bytes.`, { offset: from, length: count });
  }
  return [from, count];
}

/**
 * @param {any} ranges
 * @param {number} size
 * @param {string} [title]
 */
export function checkRanges(ranges, size, title) {
  if (!Array.isArray(ranges)) throw invalid("readMany takes an array of {offset, length}.");
  return ranges.map((range) => {
    const [offset, length] = checkRange(range?.offset, range?.length, size, title);
    return { offset, length };
  });
}

/**
 * @param {any} device what a layer is to lie over
 * @returns {BlockDevice}
 */
export function checkDevice(device) {
  if (typeof device?.read !== "function" || !Number.isSafeInteger(device.size)) throw invalid("A layer lies over a device: a Disk, or what another layer gave.");
  return device;
}

/**
 * @param {any} bytes
 * @returns {Uint8Array}
 */
export function viewOf(bytes) {
  try {
    if (ArrayBuffer.isView(bytes)) return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (bytes instanceof ArrayBuffer) return new Uint8Array(bytes);
  } catch (error) {
    throw invalid(`The bytes to write are gone (${error}): a buffer that was transferred can't be used again.`);
  }
  throw invalid("write takes a Uint8Array, another view or an ArrayBuffer.");
}

/**
 * @param {Uint8Array} view
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function owned(view) {
  if (!(view.buffer instanceof ArrayBuffer)) throw invalid("A shared buffer can't be transferred: leave the option transfer out.");
  return /** @type {Uint8Array<ArrayBuffer>} */ (view);
}

/**
 * Holds a device to its promise: the rest would be garbage, or a layer's own.
 * @param {Uint8Array<ArrayBuffer>} bytes
 * @param {number} length
 * @returns {Uint8Array<ArrayBuffer>} alone in its buffer
 */
export function exactly(bytes, length) {
  if (bytes?.byteLength !== length) {
    throw new NbdError("INTERNAL", `The device was asked for ${length} bytes and gave ${bytes?.byteLength}. Its read must give exactly what it was asked for.`);
  }
  return bytes.buffer.byteLength === length ? bytes : bytes.slice();
}

/** @param {number} index @param {number} size */
export function clamp(index, size) {
  const n = Math.trunc(index) || 0; // NaN counts as 0
  return n < 0 ? Math.max(n + size, 0) : Math.min(n, size);
}
