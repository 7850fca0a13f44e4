/**
 * A write that was accepted and that the device does not have yet.
 * @typedef {object} Write
 * @property {number} from
 * @property {number} to exclusive
 * @property {Uint8Array<ArrayBuffer>} bytes
 * @property {Promise<void>} [underWay]
 */

/** Writes that were accepted, the oldest first. */
export class PendingWrites {
  /** @type {Set<Write>} */ #writes = new Set();
  /** In all of them together. */ #bytes = 0;

  get bytes() { return this.#bytes; }

  /**
   * What it covers as a whole and is not under way need not be written any more.
   * @param {number} from
   * @param {Uint8Array<ArrayBuffer>} bytes
   * @returns {Write}
   */
  add(from, bytes) {
    const to = from + bytes.byteLength;
    for (const w of this.#writes) if (!w.underWay && from <= w.from && w.to <= to) this.remove(w);
    /** @type {Write} */
    const write = { from, to, bytes };
    this.#writes.add(write);
    this.#bytes += bytes.byteLength;
    return write;
  }

  /** @param {Write} write */
  remove(write) {
    if (this.#writes.delete(write)) this.#bytes -= write.bytes.byteLength;
  }

  /** @param {Write} write */
  has(write) {
    return this.#writes.has(write);
  }

  /** @returns {Write[]} */
  all() {
    return [...this.#writes];
  }

  /** @param {number} from @param {number} to @returns {Write[]} */
  within(from, to) {
    return this.all().filter((w) => from < w.to && w.from < to);
  }

  /**
   * Whether an older write to the same place has yet to be made: a newer one
   * must not come before it.
   * @param {Write} write
   */
  hasBefore(write) {
    for (const w of this.#writes) {
      if (w === write) return false;
      if (w.from < write.to && write.from < w.to) return true;
    }
    return false;
  }
}

/**
 * Puts writes over what was read, in their order.
 * @param {Uint8Array} out
 * @param {number} start where out begins
 * @param {Write[]} writes
 */
export function patch(out, start, writes) {
  for (const { from, to, bytes } of writes) {
    const at = Math.max(from, start);
    const end = Math.min(to, start + out.byteLength);
    if (at < end) out.set(bytes.subarray(at - from, end - from), at - start);
  }
}
