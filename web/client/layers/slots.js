import { RunMap, gaps, nowhere } from "./runmap.js";

/** @typedef {import("./runmap.js").Run} Run */

/** Which slots of a file are free. */
export class Slots {
  #free = new RunMap();
  /** Where the free slots without end begin. */ #top = 0;

  get top() { return this.#top; }

  /**
   * Takes slots, the lowest first.
   * @param {number} count
   * @returns {{first: number, end: number}[]}
   */
  take(count) {
    const taken = [];
    for (let hole = this.#free.first; hole && count > 0; hole = this.#free.first) {
      const [run] = this.#free.remove(hole.first, Math.min(hole.end, hole.first + count));
      count -= run.end - run.first;
      taken.push(run);
    }
    if (count > 0) taken.push({ first: this.#top, end: this.#top += count });
    return taken;
  }

  /** @param {number} first @param {number} end exclusive */
  free(first, end) {
    this.#free.set(first, end, nowhere);
    const { last } = this.#free;
    if (last?.end !== this.#top) return;
    this.#top = last.first;
    this.#free.remove(last.first, last.end);
  }

  /**
   * Slots of a file that was found.
   * @param {RunMap} used by slot
   */
  static around(used) {
    const slots = new Slots();
    slots.#top = used.last?.end ?? 0;
    for (const { first, end } of gaps(used.within(), 0, slots.#top)) slots.#free.set(first, end, nowhere);
    return slots;
  }
}
