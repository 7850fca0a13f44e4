import { invalid } from "../errors.js";
import { unlessAborted } from "../signals.js";

/** @typedef {Uint8Array<ArrayBuffer>} Bytes */

/**
 * What is to be saved: chunks that belong to whoever takes them.
 * @param {import("../device.js").BlockDevice | ReadableStream<Uint8Array>} source
 * @param {AbortSignal} [signal]
 * @returns {{total: number | undefined, chunks: AsyncGenerator<Bytes, void>}} total
 *   in bytes
 */
export function sourceOf(source, signal) {
  if ("getReader" in source) return { total: undefined, chunks: read(source.getReader(), signal) };
  if (typeof source.read !== "function" || !Number.isSafeInteger(source.size)) throw invalid("saveAs takes a device, or a ReadableStream.");
  return { total: source.size, chunks: whole(source, signal) };
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
  try {
    for (;;) {
      const { value, done } = await unlessAborted(reader.read(), signal);
      if (done) return;
      if (!(value instanceof Uint8Array)) throw invalid("A stream that is saved must give Uint8Arrays.");
      yield value.slice();
    }
  } finally {
    reader.cancel(signal?.reason).catch(() => {}); // nobody waits for it any more
  }
}
