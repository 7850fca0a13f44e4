import { NbdError } from "../errors.js";

/** How long a reader may take nothing, in milliseconds. */
const stallLimit = 60_000;

/**
 * Makes each chunk of a stream when it is asked for. Others wait for the
 * stream's end, so a reader that takes nothing ends it too.
 * @implements {UnderlyingDefaultSource<Uint8Array<ArrayBuffer>>}
 */
export class ExportSource {
  #chunks;
  #signal;
  #end = () => {};
  #ended = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #timer;
  /** @type {ReadableStreamDefaultController<Uint8Array<ArrayBuffer>> | undefined} */ #controller;
  /** Fulfils when nothing more is read. @type {Promise<void>} */
  over = new Promise((resolve) => { this.#end = resolve; });

  /**
   * @param {AsyncGenerator<Uint8Array<ArrayBuffer>, void>} chunks
   * @param {AbortSignal} [signal]
   */
  constructor(chunks, signal) {
    this.#chunks = chunks;
    this.#signal = signal;
  }

  /** @param {ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>} controller */
  start(controller) {
    this.#controller = controller;
    this.#signal?.addEventListener("abort", this.#abort);
    this.#wait();
  }

  async pull() {
    clearTimeout(this.#timer);
    try {
      const { value, done } = await this.#chunks.next();
      if (this.#ended) return;
      if (value) this.#controller?.enqueue(value);
      if (!done) return this.#wait();
      this.#controller?.close();
      this.#finish();
    } catch (error) {
      this.#fail(error);
    }
  }

  cancel() {
    this.#finish();
  }

  #wait() {
    this.#timer = setTimeout(() => this.#fail(new NbdError("TIMEOUT", "The export was not read for a minute, while writes waited for it. Export it again, and read it to its end.", {}, { stage: "client" })), stallLimit);
  }

  #abort = () => this.#fail(this.#signal?.reason);

  /** @param {unknown} error */
  #fail(error) {
    if (this.#ended) return;
    this.#controller?.error(error);
    this.#finish();
  }

  #finish() {
    this.#ended = true;
    clearTimeout(this.#timer);
    this.#signal?.removeEventListener("abort", this.#abort);
    this.#end();
  }
}
