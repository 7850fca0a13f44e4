/** What is read of a file at once, in bytes. */
const windowBytes = 1 << 20;

/** Reads a file that does not change in small steps, mostly forward. */
export class FileWindow {
  #file;
  #start = 0;
  #bytes = new Uint8Array(0);

  /** @param {import("./file.js").StoreFile} file @param {number} size of it */
  constructor(file, size) {
    this.#file = file;
    this.size = size;
  }

  /**
   * @param {number} offset
   * @param {number} length
   * @returns {Promise<Uint8Array>} fewer at the end of the file; not to be changed
   */
  async read(offset, length) {
    const at = offset - this.#start;
    if (at < 0 || at + length > this.#bytes.length) {
      this.#bytes = await this.#file.read(offset, Math.max(length, windowBytes));
      this.#start = offset;
      return this.#bytes.subarray(0, length);
    }
    return this.#bytes.subarray(at, at + length);
  }
}
