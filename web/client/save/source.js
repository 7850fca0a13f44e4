import { invalid } from "../errors.js";
import { unlessAborted } from "../signals.js";

/** @typedef {Uint8Array<ArrayBuffer>} Bytes */

/**
 * What is to be saved: chunks that belong to whoever takes them.
 * @param {import("../device.js").BlockDevice | ReadableStream<Uint8Array>} source
 * @param {AbortSignal} [signal]
 * @returns {{total: number | undefined, chunks: AsyncIterable<Bytes>, end: () => void}}
 *   total in bytes; end must be called, also when no chunk was asked for
 */
export function sourceOf(source, signal) {
  const { getReader, locked, read: ofDevice, size } = /** @type {any} */ (source ?? {});
  if (typeof getReader === "function" && !locked) {
    const reader = /** @type {ReadableStream<Uint8Array>} */ (source).getReader();
    return { total: undefined, chunks: read(reader, signal), end: () => void reader.cancel(signal?.reason).catch(() => {}) };
  }
  if (typeof ofDevice !== "function" || !Number.isSafeInteger(size)) throw invalid("saveAs takes a device, or a ReadableStream that nobody else reads.");
  return { total: size, chunks: /** @type {import("../device.js").BlockDevice} */ (source).stream({ signal }), end: () => {} };
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
    yield new Uint8Array(value); // slice of a Buffer copies nothing
  }
}
