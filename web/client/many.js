// Long and many reads: several under way at a time, and never more than can be
// held. What is under way is aborted when the call fails or is left.
import { openScope } from "./signals.js";

/** Bytes that one call has under way, or waiting for its caller, at most. */
const windowBytes = 8 << 20;
/** Reads that one call has under way at most. */
const windowReads = 32;

/**
 * @typedef {(offset: number, length: number, signal?: AbortSignal) => Promise<Uint8Array<ArrayBuffer>>} Read
 */

/**
 * @typedef {object} Progress
 * @property {number} done bytes handed over
 * @property {number} total bytes of the whole range
 */

/**
 * Reads every range. They are begun in order; after a failure, no more are.
 * @param {Read} read
 * @param {readonly {offset: number, length: number}[]} ranges
 * @param {AbortSignal} [signal]
 */
export async function readMany(read, ranges, signal) {
  const { scope, end } = openScope(signal);
  /** @type {Set<Promise<unknown>>} */ const underWay = new Set();
  const results = [];
  let bytes = 0;
  try {
    for (const { offset, length } of ranges) {
      while (underWay.size >= windowReads || (bytes && bytes + length > windowBytes)) await Promise.race(underWay);
      bytes += length;
      /** @type {Promise<Uint8Array<ArrayBuffer>>} */ const reading = read(offset, length, scope).finally(() => {
        bytes -= length;
        underWay.delete(reading);
      });
      reading.catch(() => {}); // told by all, below
      underWay.add(reading);
      results.push(reading);
    }
    return await Promise.all(results);
  } finally {
    end();
    await Promise.allSettled(underWay);
  }
}

/**
 * Reads a range in chunks, in order. Those ahead of the caller are under way
 * while it is busy, and no more are begun before it takes one.
 * @param {Read} read
 * @param {{offset: number, total: number, chunkSize: number, signal?: AbortSignal, onProgress?: (progress: Progress) => void}} plan
 * @returns {AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined>}
 */
export async function* stream(read, { offset, total, chunkSize, signal, onProgress }) {
  const depth = Math.min(Math.max(Math.floor(windowBytes / chunkSize), 2), windowReads);
  const { scope, end } = openScope(signal);
  /** @type {Promise<Uint8Array<ArrayBuffer>>[]} */ const ahead = [];
  try {
    for (let begun = 0, done = 0; done < total;) {
      for (; ahead.length < depth && begun < total; begun += chunkSize) {
        const chunk = read(offset + begun, Math.min(chunkSize, total - begun), scope);
        chunk.catch(() => {}); // told when it is its turn, which may never come
        ahead.push(chunk);
      }
      const bytes = await /** @type {Promise<Uint8Array<ArrayBuffer>>} */ (ahead.shift());
      signal?.throwIfAborted(); // also what had come before
      done += bytes.byteLength;
      onProgress?.({ done, total });
      yield bytes;
    }
  } finally {
    end();
  }
}
