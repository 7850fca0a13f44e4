import { unlessAborted } from "../signals.js";

/** @typedef {{from: number, to: number, exclusive: boolean, released: Promise<void>}} Hold */

/**
 * Keeps operations on overlapping ranges apart: an exclusive one waits for all
 * that came before it, a shared one for exclusive ones. As each waits only for
 * earlier ones, and holds one range, none waits for ever.
 */
export class RangeLock {
  /** @type {Set<Hold>} */ #holds = new Set();

  /**
   * @template T
   * @param {number} from
   * @param {number} to exclusive
   * @param {boolean} exclusive
   * @param {AbortSignal | undefined} signal ends the waiting; the task sees to its own
   * @param {() => Promise<T>} task
   * @returns {Promise<T>}
   */
  async with(from, to, exclusive, signal, task) {
    const before = [...this.#holds].filter((h) => from < h.to && h.from < to && (exclusive || h.exclusive));
    let release = () => {};
    /** @type {Hold} */
    const hold = { from, to, exclusive, released: new Promise((resolve) => { release = resolve; }) };
    this.#holds.add(hold);
    try {
      if (before.length) await unlessAborted(Promise.all(before.map((h) => h.released)), signal);
      return await task();
    } finally {
      this.#holds.delete(hold);
      release();
    }
  }
}
