import { NbdError } from "../errors.js";

/** Takes a stream apart in pieces of known length. */
export class ByteReader {
  #reader;
  /** What was read and not taken. */ #rest = new Uint8Array(0);

  /** @param {ReadableStream<Uint8Array<ArrayBuffer>>} stream */
  constructor(stream) {
    this.#reader = stream.getReader();
  }

  /**
   * @param {number} length to be bounded by the caller
   * @returns {Promise<Uint8Array<ArrayBuffer> | undefined>} alone in its
   *   buffer; nothing if the stream ends before
   */
  async take(length) {
    const out = new Uint8Array(length);
    for (let done = 0; ;) {
      const part = this.#rest.subarray(0, length - done);
      out.set(part, done);
      done += part.length;
      this.#rest = this.#rest.subarray(part.length);
      if (done === length) return out;
      const { value, done: ended } = await this.#reader.read().catch(unreadable);
      if (ended) return undefined;
      this.#rest = value;
    }
  }

  /** Nothing more is wanted. */
  async end() {
    await this.#reader.cancel().catch(() => {}); // it has failed before
  }
}

/** @param {unknown} cause @returns {never} */
function unreadable(cause) {
  throw new NbdError("EIO", `The file could not be read (${cause}). Give it again.`, {}, { stage: "client", cause });
}
