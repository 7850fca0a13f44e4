/** A generator of random numbers that a seed determines. */
export class Random {
  #state;

  /** @param {number} seed */
  constructor(seed) { this.#state = seed >>> 0; }

  /** A 32-bit number. */
  next() {
    this.#state = (this.#state + 0x9e3779b9) >>> 0;
    let z = this.#state;
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    return (z ^ (z >>> 16)) >>> 0;
  }

  /** From 0 to n - 1. @param {number} n */
  below(n) { return this.next() % n; }

  /** @param {number} percent */
  chance(percent) { return this.below(10000) < percent * 100; }

  /** @template T @param {readonly T[]} list @returns {T} */
  of(list) { return list[this.below(list.length)]; }
}
