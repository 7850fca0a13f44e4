import { FileLines, sameBytes } from "./filelines.js";

/** @typedef {import("../device.js").BlockDevice} BlockDevice */

/** Lines of which a piece is compared, beside the first and the last one of the device. */
const pieces = 14;
/** Bytes of a piece. */
const pieceSize = 4096;

/** @typedef {{offset: number, bytes: Uint8Array}} Piece */

/**
 * Some of what is held: the first and the last bytes of the device, and pieces
 * of lines that are spread over it. What is damaged in the file is not among
 * them: it says nothing of the device.
 * @param {FileLines} lines
 * @param {number[]} ends the first and the last line of the device
 * @returns {Promise<Piece[]>}
 */
export async function takeSample(lines, ends) {
  const chosen = [...ends.filter((line) => lines.has(line)), ...spread(lines.lines().filter((line) => !ends.includes(line)))];
  const sample = await Promise.all(chosen.map(async (line) => {
    const bytes = await lines.read(line);
    return bytes && pieceOf(bytes, lines.range(line)[0], ends.indexOf(line));
  }));
  return sample.flatMap((piece) => piece ?? []);
}

/** @param {number[]} lines @returns {number[]} */
function spread(lines) {
  const sorted = lines.sort((a, b) => a - b);
  const count = Math.min(pieces, sorted.length);
  return Array.from({ length: count }, (_, i) => sorted[Math.floor((i + Math.random()) * sorted.length / count)]);
}

/**
 * The beginning of the first line, the end of the last one, and of others now
 * this piece, now that: more of them are seen over many openings.
 * @param {Uint8Array} bytes
 * @param {number} start where they begin in the device
 * @param {number} end which of the ends it is, or -1
 * @returns {Piece}
 */
function pieceOf(bytes, start, end) {
  const last = Math.max(bytes.length - pieceSize, 0);
  const any = Math.floor(Math.random() * Math.ceil(bytes.length / pieceSize)) * pieceSize;
  const from = [0, last][end] ?? Math.min(any, last);
  return { offset: start + from, bytes: bytes.slice(from, from + pieceSize) };
}

/**
 * Compares a sample with what the device reads now, by one readMany.
 * @param {BlockDevice} device
 * @param {Piece[]} sample
 * @param {AbortSignal} [signal]
 * @returns {Promise<boolean>}
 */
export async function stillSo(device, sample, signal) {
  if (sample.length === 0) return true;
  try {
    const fresh = await device.readMany(sample.map(({ offset, bytes }) => ({ offset, length: bytes.length })), { signal });
    return sample.every(({ bytes }, i) => sameBytes(bytes, fresh[i]));
  } catch (/** @type {any} */ error) {
    if (error?.code === "EIO") return false; // it could be read once
    throw error;
  }
}
