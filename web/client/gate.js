import { unlessAborted } from "./signals.js";

/** Lets much work through together, or one piece of work alone. */
export class Gate {
  /** @type {Set<Promise<unknown>>} */ #inside = new Set();
  /** The last work that is to be alone. @type {Promise<unknown> | undefined} */ #lone;

  /**
   * Does work unless other work is to be alone, else after it.
   * @template T
   * @param {AbortSignal | undefined} signal
   * @param {() => Promise<T>} work
   * @returns {Promise<T>}
   */
  async pass(signal, work) {
    while (this.#lone) await unlessAborted(this.#lone, signal);
    const working = work();
    this.#inside.add(working);
    return working.finally(() => this.#inside.delete(working));
  }

  /**
   * Does work when all that was let through has ended; what comes later waits.
   * @param {() => Promise<void>} work
   * @returns {Promise<void>}
   */
  alone(work) {
    const working = Promise.allSettled([...this.#inside, this.#lone]).then(work);
    const lone = working.catch(() => {}).finally(() => {
      if (this.#lone === lone) this.#lone = undefined;
    });
    this.#lone = lone;
    return working;
  }
}
