import { contentRange } from "./ranges.js";

// Several ranges in one answer: RFC 9110, section 14.6.

/** @typedef {import("./ranges.js").Part} Part */
/** @typedef {Uint8Array<ArrayBuffer>} Bytes */

/** Small parts that are read, and sent, together: so many bytes at most. */
const batchBytes = 1 << 20;

/**
 * @param {import("../device.js").BlockDevice} device
 * @param {Part[]} parts
 * @param {(part: Part) => AsyncIterable<Bytes>} read
 * @param {AbortSignal} [signal]
 */
export function multipart(device, parts, read, signal) {
  const boundary = `nbd-${crypto.randomUUID()}`;
  const head = (/** @type {Part} */ part) => text(`\r\n--${boundary}\r\nContent-Type: application/octet-stream\r\nContent-Range: ${contentRange(part, device.size)}\r\n\r\n`);
  const end = text(`\r\n--${boundary}--\r\n`);
  const length = parts.reduce((sum, part) => sum + head(part).length + part.length, end.length);
  return { type: `multipart/byteranges; boundary=${boundary}`, length, body: write() };

  /** @returns {AsyncGenerator<Bytes, void>} */
  async function* write() {
    for (const batch of batches(parts)) {
      if (batch.length === 1) {
        yield head(batch[0]);
        yield* read(batch[0]);
      } else {
        const contents = await device.readMany(batch, { signal });
        yield join(batch.flatMap((part, i) => [head(part), contents[i]]));
      }
    }
    yield end;
  }
}

/**
 * Neighbours in the list that are read together.
 * @param {Part[]} parts
 * @returns {Part[][]}
 */
function batches(parts) {
  /** @type {Part[][]} */ const list = [];
  let bytes = Infinity;
  for (const part of parts) {
    bytes += part.length;
    if (bytes > batchBytes) list.push([]), bytes = part.length;
    list[list.length - 1].push(part);
  }
  return list;
}

/** @param {string} ascii @returns {Bytes} */
const text = (ascii) => new TextEncoder().encode(ascii);

/** @param {Bytes[]} pieces */
function join(pieces) {
  const all = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) all.set(piece, at), at += piece.length;
  return all;
}
