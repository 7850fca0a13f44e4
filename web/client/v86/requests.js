/**
 * @typedef {object} Request
 * @property {() => void} ended
 * @property {AbortSignal} [signal]
 */

/** What the guest waits for. */
export class Requests {
  /** How many there were. */ count = 0;
  /** @type {Set<Request>} */ #underWay = new Set();
  /** Those that will never be answered, and why. @type {Map<Request, unknown>} */ #failed = new Map();
  /** @type {(() => void)[]} */ #waiting = [];

  /**
   * @param {() => void} ended called once, when it is over
   * @param {AbortSignal} [signal]
   * @returns {Request}
   */
  begin(ended, signal) {
    const request = { ended, signal };
    this.#underWay.add(request);
    this.count++;
    return request;
  }

  /**
   * Whether anybody still waits for it.
   * @param {Request} request
   */
  expected(request) {
    return this.#underWay.has(request) && !request.signal?.aborted;
  }

  /**
   * It will not be answered: the guest waits, until it gives up by itself.
   * @param {Request} request
   * @param {unknown} error
   */
  fail(request, error) {
    this.#failed.set(request, error);
    request.signal?.addEventListener("abort", () => this.#failed.delete(request), { once: true });
  }

  /** @param {Request} request */
  end(request) {
    if (!this.#underWay.delete(request)) return;
    request.ended();
    this.#tell();
  }

  /** Nobody waits for any of them: the guest is another one now. */
  forget() {
    this.#failed.clear();
    for (const request of [...this.#underWay]) this.end(request);
  }

  /** @returns {Promise<void>} rejects if one failed, and the guest still waits for it */
  async idle() {
    while (this.#underWay.size > 0 && this.#failed.size === 0) {
      await new Promise((resolve) => { this.#waiting.push(() => resolve(undefined)); });
    }
    for (const error of this.#failed.values()) throw error;
  }

  #tell() {
    for (const go of this.#waiting.splice(0)) go();
  }
}
