import { NbdError, invalid } from "../errors.js";
import { replaceChanges } from "../layers/overlay.js";

/**
 * The most bytes of an overlay that a saved state may hold: V86 puts a state
 * into one buffer, which has a limit of its own.
 */
const stateLimit = 1 << 30;
/** Bytes that are put back into an overlay at once. */
const chunk = 1 << 20;

const name = "nbdbridge", version = 1;
/** Types of extents are numbers in a state. @type {readonly import("../ranges.js").ExtentType[]} */
const types = ["data", "zero"];

/**
 * What a state tells of a disk.
 * @typedef {object} DiskState
 * @property {string} [identity] of the device
 * @property {number} size of the device, in bytes
 * @property {import("../ranges.js").Extent[]} extents of the overlay
 * @property {Uint8Array} bytes of its extents that are data, one after the other
 */

/** @param {number} bytes */
export function checkStateSize(bytes) {
  if (bytes > stateLimit) throw new NbdError("ENOSPC", `The overlay has ${bytes} bytes of changes, and a state holds at most ${stateLimit}. Commit them, or keep them in a store.`);
}

/**
 * V86 takes arrays of numbers, strings and typed arrays.
 * @param {DiskState} state
 */
export function encode({ identity, size, extents, bytes }) {
  return [name, version, identity ?? "", size, Float64Array.from(extents.flatMap((e) => [e.offset, e.length, types.indexOf(e.type)])), bytes];
}

/**
 * @param {any} state anything: it comes from a file
 * @param {{identity?: string, size: number}} device
 * @returns {DiskState} rejects with INVALID_ARGUMENT what is not of this device
 */
export function decode(state, { identity, size }) {
  const [kind, v, of, bytesOfDevice, numbers, bytes] = Array.isArray(state) ? state : [];
  if (kind !== name) throw invalid("The state holds nothing of a v86Disk: it was saved with another kind of disk.");
  if (v !== version) throw invalid(`The state of the disk has version ${Number(v)}, and this is version ${version}. Restore it with the version that saved it.`);
  if (bytesOfDevice !== size) throw invalid(`The state was saved with a disk of ${Number(bytesOfDevice)} bytes, and this one has ${size}. Restore it with the disk that it was saved with.`);
  if (of !== (identity ?? "")) throw invalid("The state was saved with another export, or with one of another server. Restore it with the disk that it was saved with.");
  if (!(numbers instanceof Float64Array && bytes instanceof Uint8Array)) throw damaged();
  return { identity, size, extents: extentsOf(numbers, size, bytes.byteLength), bytes };
}

/**
 * @param {Float64Array} numbers
 * @param {number} size
 * @param {number} held bytes that come with them
 */
function extentsOf(numbers, size, held) {
  /** @type {import("../ranges.js").Extent[]} */
  const extents = [];
  let end = 0, data = 0;
  for (let i = 0; i < numbers.length; i += 3) {
    const [offset, length, type] = [numbers[i], numbers[i + 1], types[numbers[i + 2]]];
    if (!(Number.isInteger(offset) && offset >= end && length > 0 && Number.isInteger(length) && offset + length <= size && type)) throw damaged();
    end = offset + length;
    if (type === "data") data += length;
    extents.push({ offset, length, type });
  }
  if (data !== held) throw damaged();
  return extents;
}

function damaged() {
  return invalid("The state of the disk is damaged: its blocks do not fit together. Use another copy of it.");
}

/**
 * Makes an overlay what it was when its state was saved; if it fails, it is as
 * before.
 * @param {import("../layers/overlay.js").Overlay} overlay
 * @param {DiskState} state
 */
export function putBack(overlay, state) {
  return replaceChanges(overlay, changesOf(state));
}

/** @param {DiskState} state @returns {Generator<import("../layers/overlayfile.js").Change>} */
function* changesOf({ extents, bytes }) {
  let at = 0;
  for (const { offset, length, type } of extents) {
    const step = type === "zero" ? length : chunk;
    for (let done = 0; done < length; done += step) {
      const part = Math.min(step, length - done);
      const own = type === "data" ? new Uint8Array(bytes.subarray(at, at += part)) : undefined;
      yield { offset: offset + done, length: part, bytes: own };
    }
  }
}
