/** Sequential readers that are told apart at once. */
const runsKept = 8;

/**
 * Notices reads that continue an earlier one, and says what will be read next.
 */
export class ReadAhead {
  #window;
  #size;
  /** The least recently continued first. @type {{next: number, ahead: number}[]} */ #runs = [];

  /**
   * @param {number} window how far to be ahead of a reader, in bytes
   * @param {number} size of the device
   */
  constructor(window, size) {
    this.#window = window;
    this.#size = size;
  }

  /**
   * It speaks when half of the window is used up, so that one larger read does
   * for several small ones.
   * @param {number} offset
   * @param {number} length of a read
   * @returns {[number, number] | undefined} from and to of what to fetch
   */
  next(offset, length) {
    const end = offset + length;
    const run = this.#continue(offset, end);
    if (!run || run.ahead - end > this.#window / 2) return undefined;
    const from = Math.max(run.ahead, end);
    const to = Math.min(end + this.#window, this.#size);
    run.ahead = Math.max(to, run.ahead);
    return from < to ? [from, to] : undefined;
  }

  /** @param {number} offset @param {number} end */
  #continue(offset, end) {
    const at = this.#runs.findIndex((r) => r.next === offset);
    const [run] = at < 0 ? [] : this.#runs.splice(at, 1);
    if (this.#runs.length === runsKept) this.#runs.shift();
    this.#runs.push({ next: end, ahead: run?.ahead ?? end });
    return run && this.#runs.at(-1);
  }
}
