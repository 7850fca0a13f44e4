// Finds the structures that the page knows by what they say of themselves, so
// that copies of them are found too.
import { gptIn, mbrIn } from "./tables.js";
import { bootSectorIn, extIn, isoIn } from "./volumes.js";

/** @typedef {import("./fields.js").Field} Field */
/** @typedef {import("./fields.js").Structure} Structure */

/** Every structure begins at such an offset, in bytes. */
const step = 512;

/**
 * The structures that begin in these bytes.
 * @param {Uint8Array} bytes
 * @param {number} offset of the first, a multiple of 512
 * @returns {Structure[]} in order of offset, none over another
 */
export function structuresIn(bytes, offset) {
  const found = /** @type {Structure[]} */ ([]);
  for (let at = 0; at + step <= bytes.length; at += step) {
    const end = found.at(-1);
    if (!end || end.offset + end.length <= offset + at) found.push(...first(bytes.subarray(at), offset + at));
  }
  return found;
}

/** @param {Uint8Array} bytes @param {number} offset @returns {Structure[]} */
function first(bytes, offset) {
  for (const find of [gptIn, bootSectorIn, mbrIn, extIn, isoIn]) {
    const found = find(bytes, offset);
    if (found.length > 0) return found;
  }
  return [];
}
