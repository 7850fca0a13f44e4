// Files whose file systems stay open while others are looked into. Few can be
// open at once, so files of one part share one.

/** @typedef {import("../inspector.js").Part} Part */
/** @typedef {import("../../../client/inspect/index.js").Volume} Volume */

export class OwnFiles {
  #inspector;
  /** By where their part begins, with how many files are in use. @type {Map<number, {volume: Promise<Volume>, users: number}>} */ #open = new Map();

  /** @param {Pick<import("../inspector.js").Inspector, "open">} inspector */
  constructor(inspector) {
    this.#inspector = inspector;
  }

  /**
   * @param {Part} part
   * @param {string} path
   * @param {AbortSignal} signal
   * @returns {Promise<{device: import("../inspector.js").BlockDevice, close: () => void}>} close may be called again
   */
  async file({ offset, length }, path, signal) {
    const opened = this.#open.get(offset) ?? { volume: this.#inspector.open(offset, length, { signal }), users: 0 };
    this.#open.set(offset, opened);
    opened.users++;
    try {
      const device = await (await opened.volume).file(path, { signal });
      let done = false;
      const close = () => {
        if (done) return;
        done = true;
        device.close();
        this.#leave(offset, opened);
      };
      return { device, close };
    } catch (error) {
      this.#leave(offset, opened);
      throw error;
    }
  }

  /** @param {number} offset @param {{volume: Promise<Volume>, users: number}} opened */
  #leave(offset, opened) {
    if (--opened.users > 0) return;
    if (this.#open.get(offset) === opened) this.#open.delete(offset);
    opened.volume.then((volume) => volume.close(), () => {}); // who opened it has been told
  }
}
