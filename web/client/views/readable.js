import { checkDevice, checkRange, streamRules } from "../checks.js";
import { check } from "../options.js";
import { openScope } from "../signals.js";

/** @typedef {import("../device.js").BlockDevice} BlockDevice */
/** @typedef {import("../device.js").StreamOptions} StreamOptions */
/** @typedef {AsyncIterator<Uint8Array<ArrayBuffer>, void>} Chunks */

/**
 * A range of a device as a stream of bytes, for a Response, a pipe or a
 * Worker. Nothing is read before it is asked for; then up to 8 MiB, and at
 * least two chunks, are ahead of the reader. To cancel it aborts what is under
 * way. It fails with what a read of the device would reject with, and with the
 * reason of the signal.
 * @param {BlockDevice} device
 * @param {StreamOptions} [options] the offset, by default 0, and the length, by
 *   default up to the end; the others are as those of the device's stream()
 * @returns {ReadableStream<Uint8Array<ArrayBuffer>>} a byte stream, but for
 *   browsers that have none
 */
export function readableOf(device, options = {}) {
  const { size } = checkDevice(device);
  const { signal, offset = 0, length, ...rest } = check(options, streamRules);
  const [from] = checkRange(offset, 0, size);
  const [, count] = checkRange(from, length ?? size - from, size);
  return byteStream(new Source(device, { ...rest, offset: from, length: count }, signal));
}

/** @param {Source} source @returns {ReadableStream<Uint8Array<ArrayBuffer>>} */
function byteStream(source) {
  try {
    return /** @type {ReadableStream<any>} */ (new ReadableStream(source));
  } catch { // Safari before 26.4
    const { start, pull, cancel } = source;
    return /** @type {ReadableStream<any>} */ (new ReadableStream({ start, pull, cancel }, { highWaterMark: 0 }));
  }
}

/** Makes each chunk of a stream when it is asked for. */
class Source {
  type = /** @type {const} */ ("bytes");
  #device;
  #options;
  #signal;
  /** @type {{scope: AbortSignal, end: () => void} | undefined} */ #scope;
  /** @type {Chunks | undefined} */ #chunks;
  /** @type {ReadableStreamController<any> | undefined} */ #controller;

  /** @param {BlockDevice} device @param {StreamOptions} options @param {AbortSignal} [signal] */
  constructor(device, options, signal) {
    this.#device = device;
    this.#options = options;
    this.#signal = signal;
  }

  start = (/** @type {ReadableStreamController<any>} */ controller) => {
    this.#controller = controller;
    this.#scope = openScope(this.#signal);
    this.#signal?.addEventListener("abort", this.#abort);
    if (this.#signal?.aborted) this.#abort();
  };

  pull = async (/** @type {ReadableStreamController<any>} */ controller) => {
    const { value, done } = await this.#next();
    if (!done) return controller.enqueue(value); // a reader's own buffer is filled from there
    this.#finish();
    controller.close();
    if ("byobRequest" in controller) controller.byobRequest?.respond(0);
  };

  cancel = () => this.#finish();

  async #next() {
    try {
      this.#chunks ??= this.#device.stream({ ...this.#options, signal: this.#scope?.scope })[Symbol.asyncIterator]();
      return await this.#chunks.next();
    } catch (error) {
      this.#finish();
      throw error;
    }
  }

  /** Also what was read and not taken is not given any more. */
  #abort = () => {
    this.#controller?.error(this.#signal?.reason);
    this.#finish();
  };

  #finish() {
    this.#signal?.removeEventListener("abort", this.#abort);
    this.#scope?.end();
  }
}
