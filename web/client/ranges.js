/**
 * What a stretch of a device holds: "data" must be read to be known, "zero" is
 * allocated and reads as zeros, "hole" is not allocated and reads as zeros.
 * @typedef {"data" | "hole" | "zero"} ExtentType
 */

/**
 * @typedef {object} Extent
 * @property {number} offset in bytes
 * @property {number} length in bytes, never 0
 * @property {ExtentType} type
 */

/**
 * Adds an extent to a list that it continues; neighbours of one type become one.
 * @param {Extent[]} list
 * @param {Extent} extent
 */
export function append(list, { offset, length, type }) {
  const last = list.at(-1);
  if (length === 0) return;
  if (last?.type === type && last.offset + last.length === offset) last.length += length;
  else list.push({ offset, length, type });
}

/**
 * The parts of a list that are within a range.
 * @param {Iterable<Extent>} list
 * @param {number} offset
 * @param {number} length
 * @returns {Extent[]}
 */
export function clip(list, offset, length) {
  /** @type {Extent[]} */
  const parts = [];
  for (const e of list) {
    const from = Math.max(e.offset, offset);
    const to = Math.min(e.offset + e.length, offset + length);
    if (from < to) append(parts, { offset: from, length: to - from, type: e.type });
  }
  return parts;
}
