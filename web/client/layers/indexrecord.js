import { crc32 } from "../storage/crc32.js";
import { nowhere } from "./runmap.js";

/** @typedef {import("./runmap.js").Run} Run */

/**
 * A record of the index, little-endian: magic 0 (u32), CRC-32 of what follows
 * this field 4 (u32), generation 8, serial 16, number of runs 24, then the first
 * block of a run, its number of blocks, and its first slot or -1 for zeros
 * (float64 all of them). Serials rise. Zeros fill it up to a multiple of 512.
 */
const headBytes = 32;
const runBytes = 24;
const magic = 0x72646e62;
const step = 512;

/** @typedef {{serial: number, length: number, view: DataView}} IndexRecord */

/** Bytes that a record of so many runs takes. @param {number} count */
export const recordLength = (count) => Math.ceil((headBytes + count * runBytes) / step) * step;

/**
 * @param {Run[]} runs
 * @param {number} generation
 * @param {number} serial
 */
export function recordOf(runs, generation, serial) {
  const bytes = new Uint8Array(recordLength(runs.length));
  const view = new DataView(bytes.buffer);
  view.setUint32(0, magic, true);
  for (const [i, value] of [generation, serial, runs.length].entries()) view.setFloat64(8 + 8 * i, value, true);
  for (const [i, { first, end, slot }] of runs.entries()) {
    const at = headBytes + i * runBytes;
    view.setFloat64(at, first, true);
    view.setFloat64(at + 8, end - first, true);
    view.setFloat64(at + 16, slot, true);
  }
  view.setUint32(4, crc32(bytes.subarray(8, headBytes + runs.length * runBytes)), true);
  return bytes;
}

/**
 * @param {import("../storage/window.js").FileWindow} window
 * @param {number} at
 * @param {number} generation
 * @returns {Promise<IndexRecord | undefined>} nothing if there is no good one
 */
export async function findRecord(window, at, generation) {
  const head = viewOf(await window.read(at, headBytes));
  if (head.byteLength < headBytes || head.getUint32(0, true) !== magic || head.getFloat64(8, true) !== generation) return undefined;
  const count = head.getFloat64(24, true);
  const bytes = headBytes + count * runBytes;
  if (!Number.isSafeInteger(count) || count < 0 || bytes > window.size - at) return undefined;
  const sum = head.getUint32(4, true);
  const view = viewOf(await window.read(at, bytes));
  if (view.byteLength < bytes || crc32(new Uint8Array(view.buffer, view.byteOffset + 8, bytes - 8)) !== sum) return undefined;
  return { serial: view.getFloat64(16, true), length: recordLength(count), view };
}

/** @param {IndexRecord} record @returns {Run[]} */
export function runsOf({ view }) {
  return Array.from({ length: view.getFloat64(24, true) }, (_, i) => {
    const [first, count, slot] = [0, 8, 16].map((part) => view.getFloat64(headBytes + i * runBytes + part, true));
    return { first, end: first + count, slot: slot < 0 ? nowhere : slot };
  });
}

/** @param {Uint8Array} bytes */
const viewOf = (bytes) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
