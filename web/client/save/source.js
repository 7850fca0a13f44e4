import { invalid } from "../errors.js";
import { unlessAborted } from "../signals.js";

/** @typedef {Uint8Array<ArrayBuffer>} Bytes */

/**
 * What is to be saved: chunks that belong to whoever takes them. end() must be
 * called, also when no chunk was asked for.
 * @param {import("../device.js").BlockDevice | ReadableStream<Uint8Array>} source
 * @param {AbortSignal} [signal]
 * @returns {{total: number | undefined, chunks: AsyncGenerator<Bytes, void>, end: () => void}}
 *   total in bytes
 */
export function sourceOf(source, signal) {
  const { getReader, locked, read: ofDevice, size } = /** @type {any} */ (source ?? {});
  if (typeof getReader === "function" && !locked) return ofStream(/** @type {ReadableStream<Uint8Array>} */ (source).getReader(), signal);
  if (typeof ofDevice !== "function" || !Number.isSafeInteger(size)) throw invalid("saveAs takes a device, or a ReadableStream that nobody else reads.");
  return { total: size, chunks: whole(/** @type {import("../device.js").BlockDevice} */ (source), signal), end: () => {} };
}

/**
 * @param {ReadableStreamDefaultReader<Uint8Array>} reader
 * @param {AbortSignal} [signal]
 */
function ofStream(reader, signal) {
  const end = () => { reader.cancel(signal?.reason).catch(() => {}); }; // nobody waits for it any more
  return { total: undefined, chunks: read(reader, signal), end };
}

/**
 * @param {import("../device.js").BlockDevice} device
 * @param {AbortSignal} [signal]
 * @returns {AsyncGenerator<Bytes, void>}
 */
async function* whole(device, signal) {
  yield* device.stream({ signal });
}

/**
 * @param {ReadableStreamDefaultReader<Uint8Array>} reader
 * @param {AbortSignal} [signal]
 * @returns {AsyncGenerator<Bytes, void>}
 */
async function* read(reader, signal) {
  for (;;) {
    const { value, done } = await unlessAborted(reader.read(), signal);
    if (done) return;
    if (!(value instanceof Uint8Array)) throw invalid("A stream that is saved must give Uint8Arrays.");
    yield new Uint8Array(value); // slice of a Buffer copies nothing
  }
}
