// Positions on a disk, as people type them.

/** What a letter behind a number means, in bytes. */
const powers = /** @type {Record<string, number>} */ ({ k: 10, m: 20, g: 30, t: 40, p: 50 });

/**
 * @typedef {object} Frame what a position is counted from and in
 * @property {number} size of the disk, in bytes
 * @property {number} cursor what "+" and "-" count from, in bytes
 * @property {number} [base] what other positions count from: the start of a part
 * @property {number} [unit] bytes of what is counted, such as 512 for sectors
 */

/**
 * Reads "4096", "0x7c00", "1M", "1.5 GiB", "2048s", "+1k", "-0x10".
 * @param {string} text
 * @param {Frame} frame
 * @returns {number | undefined} an offset on the disk; undefined where nothing
 *   can be meant, or nothing of the disk
 */
export function resolvePosition(text, { size, cursor, base = 0, unit = 1 }) {
  const match = /^([+-]?)\s*(0x[0-9a-f]+|\d+(?:\.\d+)?)\s*(?:([kmgtp])(?:ib)?|(s))?$/i.exec(text.trim());
  if (!match) return undefined;
  const [, sign, digits, letter, sectors] = match;
  const scale = letter ? 2 ** powers[letter.toLowerCase()] : sectors ? 512 : unit;
  const amount = Number(digits) * scale;
  const offset = sign === "+" ? cursor + amount : sign === "-" ? cursor - amount : base + amount;
  return Number.isSafeInteger(amount) && Number.isSafeInteger(offset) && offset >= 0 && offset < size ? offset : undefined;
}

/**
 * An offset in hexadecimal, with as many digits as every offset of the disk takes.
 * @param {number} offset
 * @param {number} [digits]
 */
export function hexOffset(offset, digits = 1) {
  return offset.toString(16).padStart(digits, "0");
}

/** Digits that every offset fits in: eight, or more for a large disk. @param {number} size */
export function offsetDigits(size) {
  return Math.max(8, Math.max(0, size - 1).toString(16).length);
}
