/**
 * The part of a range that is within a device: libraries ask for a little more
 * than there is, and know what to do with less. What can't be meant stays, for
 * the device to refuse.
 * @param {number} offset
 * @param {number} length
 * @param {number} size
 */
export function within(offset, length, size) {
  const from = Math.min(offset, size);
  return { offset: from, length: Math.min(length, size - from) };
}
