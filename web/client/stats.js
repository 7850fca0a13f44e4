/** How many answers the percentiles of the latency are about. */
const windowSize = 512;
/** How often a change of the numbers is told, in milliseconds. */
const period = 1000;

/**
 * Numbers of one disk since it was opened.
 * @typedef {object} Stats
 * @property {number} bytesRead
 * @property {number} bytesWritten
 * @property {number} requests that were answered, over all connections; a long
 *   call is more than one
 * @property {{p50: number, p95: number, p99: number}} latency of the last 512
 *   answers, in milliseconds; 0 before the first
 * @property {number} inFlight requests that wait for their answer
 * @property {number} reconnects connections that were made again
 */

/** Counts, and tells at most once in a period while something changes. */
export class Counter {
  #counts = { bytesRead: 0, bytesWritten: 0, requests: 0, inFlight: 0, reconnects: 0 };
  #latencies = new Float64Array(windowSize);
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #timer;
  /** @type {(() => void) | undefined} */ #tell;

  /** @param {() => void} tell */
  constructor(tell) {
    this.#tell = tell;
  }

  /**
   * @param {Partial<Record<"bytesRead" | "bytesWritten" | "requests" | "inFlight" | "reconnects", number>>} by
   */
  add(by) {
    for (const [name, n] of Object.entries(by)) this.#counts[/** @type {keyof typeof by} */ (name)] += n;
    if (!this.#tell || this.#timer) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#tell?.();
    }, period);
    letExit(this.#timer);
  }

  /** @param {number} latency of one answer, in milliseconds */
  answered(latency) {
    this.#latencies[this.#counts.requests % windowSize] = latency;
    this.add({ requests: 1 });
  }

  /** @returns {Stats} */
  stats() {
    const sorted = this.#latencies.slice(0, this.#counts.requests).sort();
    const at = (/** @type {number} */ share) => sorted[Math.ceil(sorted.length * share) - 1] ?? 0;
    return { ...this.#counts, latency: { p50: at(0.5), p95: at(0.95), p99: at(0.99) } };
  }

  /** Tells nothing any more. */
  end() {
    clearTimeout(this.#timer);
    this.#tell = undefined;
  }
}

/** Keeps a timer from keeping Node alive. @param {any} timer a number in browsers */
export function letExit(timer) {
  timer.unref?.();
}
