/** How many operations are under way at most. */
const maxOperations = 64;
/** No operation begins while those under way move so many bytes. */
const maxBytes = 64 << 20;

/** Lets operations begin in their order, some at a time. */
export class Turns {
  #operations = 0;
  #bytes = 0;
  /** @type {{bytes: number, begin: () => void}[]} */ #waiting = [];

  /**
   * @param {number} bytes that the operation moves
   * @returns {Promise<() => void>} to be called when it has ended
   */
  async enter(bytes) {
    await /** @type {Promise<void>} */ (new Promise((begin) => {
      this.#waiting.push({ bytes, begin });
      this.#admit();
    }));
    return () => {
      this.#operations--;
      this.#bytes -= bytes;
      this.#admit();
    };
  }

  #admit() {
    while (this.#waiting.length && this.#operations < maxOperations && this.#bytes < maxBytes) {
      const { bytes, begin } = /** @type {{bytes: number, begin: () => void}} */ (this.#waiting.shift());
      this.#operations++;
      this.#bytes += bytes;
      begin();
    }
  }
}
