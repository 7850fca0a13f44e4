/** How often progress is told at most, in milliseconds. */
const period = 100;
/** The rate is that of so many milliseconds. */
const windowLength = 5000;
/** Nothing is said of the rate before so many milliseconds have passed. */
const firstLook = 500;

/**
 * How far long work has come.
 * @typedef {object} ProgressState
 * @property {number} done bytes that are dealt with, those that were skipped too
 * @property {number} total bytes of the whole
 * @property {number} skipped bytes of done that did not have to be moved
 * @property {number | undefined} rate bytes moved per second, without those that
 *   were skipped, over the last 5 seconds; undefined in the first half second
 * @property {number | undefined} left milliseconds until the end at this rate, if
 *   nothing more is skipped; undefined while nothing is known
 * @property {number} errors that did not end the work
 */

/**
 * Counts bytes, and tells of them at most 10 times a second, and at the end. It
 * has no timer: it tells when something is counted.
 */
export class Progress {
  #total;
  #done;
  #skipped = 0;
  #errors = 0;
  /** When what was moved, oldest first, within the window. @type {{at: number, moved: number}[]} */ #marks;
  #moved = 0;
  #told = -Infinity;
  #tell;
  #now;

  /**
   * @param {number} total in bytes
   * @param {(state: ProgressState) => void} [tell] what it throws, add, skip and end throw
   * @param {{done?: number, now?: () => number}} [start] done: bytes that were
   *   done before; now: a clock in milliseconds that never goes back
   */
  constructor(total, tell, { done = 0, now = () => performance.now() } = {}) {
    this.#total = total;
    this.#tell = tell;
    this.#done = done;
    this.#now = now;
    this.#marks = [{ at: now(), moved: 0 }];
  }

  /** @param {number} bytes that were moved */
  add(bytes) {
    this.#done += bytes;
    this.#moved += bytes;
    this.#tick();
  }

  /** @param {number} bytes that did not have to be moved */
  skip(bytes) {
    this.#done += bytes;
    this.#skipped += bytes;
    this.#tick();
  }

  /** Counts an error that the work goes on after. */
  fail() {
    this.#errors++;
    this.#tick();
  }

  /** Tells what there is, however lately it told. */
  end() {
    this.#told = this.#now();
    this.#tell?.(this.state());
  }

  #tick() {
    const now = this.#now();
    if (now - this.#told < period) return;
    this.#mark(now);
    this.#told = now;
    this.#tell?.(this.state());
  }

  /** One mark at or before the window's begin is kept. @param {number} now */
  #mark(now) {
    const oldest = this.#marks.findIndex(({ at }) => at > now - windowLength);
    this.#marks.splice(0, (oldest < 0 ? this.#marks.length : oldest) - 1);
    this.#marks.push({ at: now, moved: this.#moved });
  }

  /** @returns {ProgressState} */
  state() {
    const rate = this.#rate();
    const left = rate ? Math.round((this.#total - this.#done) / rate * 1000) : undefined;
    return { done: this.#done, total: this.#total, skipped: this.#skipped, rate, left, errors: this.#errors };
  }

  #rate() {
    const [{ at, moved }] = this.#marks;
    const passed = this.#now() - at;
    return passed < firstLook ? undefined : (this.#moved - moved) / passed * 1000;
  }
}
