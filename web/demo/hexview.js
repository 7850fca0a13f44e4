// Bytes as rows of text: the part of the hex view that needs no document.

/** Bytes in a sector, as partition tables count. */
export const SECTOR = 512;

/**
 * @typedef {object} Row
 * @property {number} at the offset of the first byte, in bytes
 * @property {string} offset the same in hexadecimal
 * @property {string} hex two digits for each byte, a wider gap after every eight
 * @property {string} text the printable ASCII; a dot for anything else
 * @property {boolean} zero whether every byte is 0
 */

/**
 * Cuts bytes into rows. The last row is shorter where the bytes end early.
 * @param {Uint8Array} bytes
 * @param {number} start the offset of the first byte on the disk
 * @param {{width?: number, digits?: number}} [layout] bytes in a row (16), and
 *   the least number of digits of an offset (8)
 * @returns {Row[]}
 */
export function rows(bytes, start, { width = 16, digits = 8 } = {}) {
  const made = [];
  for (let at = 0; at < bytes.length; at += width) {
    const part = bytes.subarray(at, at + width);
    made.push({
      at: start + at,
      offset: (start + at).toString(16).padStart(digits, "0"),
      hex: hexOf(part),
      text: textOf(part),
      zero: part.every((b) => b === 0),
    });
  }
  return made;
}

/** @param {Uint8Array} bytes */
function hexOf(bytes) {
  let text = "";
  bytes.forEach((b, i) => {
    if (i > 0) text += i % 8 === 0 ? "  " : " ";
    text += b.toString(16).padStart(2, "0");
  });
  return text;
}

/** @param {Uint8Array} bytes */
function textOf(bytes) {
  let text = "";
  for (const b of bytes) text += b >= 0x20 && b < 0x7f ? String.fromCharCode(b) : ".";
  return text;
}

/**
 * Digits that every offset of a disk fits in: eight, or more for a large one.
 * @param {number} size in bytes
 */
export function offsetDigits(size) {
  return Math.max(8, Math.max(0, size - 1).toString(16).length);
}

/**
 * The sectors of a disk; the last may be a part of one.
 * @param {number} size in bytes
 */
export function sectorCount(size) {
  return Math.ceil(size / SECTOR);
}

/**
 * Reads a position as people type it: decimal, or hexadecimal after 0x.
 * @param {string} text
 * @returns {number | undefined} undefined for anything else, and beyond 2^53-1
 */
export function parsePosition(text) {
  const trimmed = text.trim();
  if (!/^(\d+|0x[0-9a-f]+)$/i.test(trimmed)) return undefined;
  const n = Number(trimmed);
  return Number.isSafeInteger(n) ? n : undefined;
}

/**
 * Tells whether a sector ends in 55 AA, as boot sectors do.
 * @param {Uint8Array} sector
 */
export function hasBootSignature(sector) {
  return sector.length === SECTOR && sector[510] === 0x55 && sector[511] === 0xaa;
}
