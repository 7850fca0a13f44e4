import { invalid } from "../errors.js";
import { unlessAborted } from "../signals.js";

/** @typedef {Uint8Array<ArrayBuffer>} Bytes */

/**
 * What is to be saved: chunks that belong to whoever takes them.
 * @param {import("../device.js").BlockDevice | ReadableStream<Uint8Array>} source
 * @param {AbortSignal} [signal]
 * @returns {{total: number | undefined, chunks: AsyncIterable<Bytes>, end: () => void}}
 *   total in bytes; end must be called
 */
export function sourceOf(source, signal) {
  if ("getReader" in source) {
    const reader = source.getReader();
    return { total: undefined, chunks: read(reader, signal), end: () => void reader.cancel(signal?.reason).catch(() => {}) };
  }
  if (typeof source.read !== "function" || !Number.isSafeInteger(source.size)) throw invalid("saveAs takes a device, or a ReadableStream.");
  return { total: source.size, chunks: source.stream({ signal }), end: () => {} };
}

/**
 * @param {ReadableStreamDefaultReader<Uint8Array>} reader
 * @param {AbortSignal} [signal]
 * @returns {AsyncGenerator<Bytes, void>} chunks of its own
 */
async function* read(reader, signal) {
  for (;;) {
    const { value, done } = await unlessAborted(reader.read(), signal);
    if (done) return;
    if (!(value instanceof Uint8Array)) throw invalid("A stream that is saved must give Uint8Arrays.");
    yield value.slice();
  }
}
