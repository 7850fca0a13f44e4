import { Device } from "../../client/device.js";
import { clip } from "../../client/ranges.js";
import { unlessAborted } from "../../client/signals.js";

/** @typedef {{name: string, offset: number, length: number}} Op */

/**
 * A device in memory that notes what it is asked for. As with a server, an
 * operation that was aborted may still happen later.
 */
export class MemoryDisk {
  /** What it was asked for. @type {Op[]} */ log = [];
  /**
   * Tests set it: called before and after each operation takes effect, it may
   * wait and throw.
   * @type {(op: Op, when: "before" | "after") => Promise<void>}
   */
  gate = async () => {};
  /** @type {import("../../client/device.js").Extent[] | undefined} */ extents;
  closes = 0;
  /** Makes closed fulfil. @type {(why?: import("../../client/errors.js").NbdError) => void} */ lose = () => {};

  /**
   * @param {number} size
   * @param {{readOnly?: boolean, minimal?: boolean}} [options] minimal: only read and write
   */
  constructor(size, { readOnly = false, minimal = false } = {}) {
    this.bytes = new Uint8Array(size);
    for (let i = 0; i < size; i++) this.bytes[i] = i * 31 + (i >> 8) * 7;
    this.device = new Device({
      size,
      blockSize: { minimum: 1, preferred: 4096, maximumPayload: 1 << 25 },
      read: (offset, length, { signal }) => this.#do("read", offset, length, signal, () => this.bytes.slice(offset, offset + length)),
      ...(!minimal && this.#more()),
      ...(!readOnly && { write: this.#write }),
      ...(!readOnly && !minimal && this.#changes()),
    });
  }

  /** @type {NonNullable<import("../../client/device.js").Driver["write"]>} */
  #write = (offset, bytes, { signal }) => this.#do("write", offset, bytes.byteLength, signal, () => this.bytes.set(bytes, offset));

  /** @returns {Partial<import("../../client/device.js").Driver>} */
  #more() {
    return {
      flush: ({ signal }) => this.#do("flush", 0, 0, signal, () => {}),
      blockStatus: (offset, length, { signal }) => this.#do("blockStatus", offset, length, signal, () => clip(this.extents ?? [{ offset, length, type: "data" }], offset, length)),
      close: async () => { this.closes++; },
      closed: new Promise((resolve) => { this.lose = resolve; }),
    };
  }

  /** @returns {Partial<import("../../client/device.js").Driver>} */
  #changes() {
    return {
      // Of what is trimmed, some bytes go and some stay.
      trim: (offset, length, { signal }) => this.#do("trim", offset, length, signal, () => { this.bytes.fill(0, offset, offset + Math.ceil(length / 2)); }),
      zero: (offset, length, { signal }) => this.#do("zero", offset, length, signal, () => { this.bytes.fill(0, offset, offset + length); }),
    };
  }

  /**
   * @template T
   * @param {string} name
   * @param {number} offset
   * @param {number} length
   * @param {AbortSignal | undefined} signal
   * @param {() => T} effect
   * @returns {Promise<T>}
   */
  async #do(name, offset, length, signal, effect) {
    const op = { name, offset, length };
    this.log.push(op);
    const work = (async () => {
      await this.gate(op, "before");
      const result = effect();
      await this.gate(op, "after");
      return result;
    })();
    return unlessAborted(work, signal);
  }

  /** What it was asked for since the last call, as "read 0+512". */
  asked() {
    return this.log.splice(0).map(({ name, offset, length }) => `${name} ${offset}+${length}`);
  }
}

/** A read-only device that holds what is given. @param {Uint8Array} bytes */
export function deviceOver(bytes) {
  return new Device({
    size: bytes.length,
    blockSize: { minimum: 1, preferred: 4096, maximumPayload: 1 << 25 },
    read: async (offset, length) => Uint8Array.from(bytes.subarray(offset, offset + length)),
  });
}

/** Lets what is ready run. */
export const settled = () => new Promise((resolve) => setTimeout(resolve));

/**
 * Holds operations back until they are let go.
 * @param {MemoryDisk} disk
 * @param {(op: Op) => boolean} [which]
 */
export function held(disk, which = () => true) {
  /** @type {{op: Op, go: () => void, fail: (error: Error) => void}[]} */
  const waiting = [];
  disk.gate = (op, when) => when === "before" && which(op)
    ? new Promise((go, fail) => waiting.push({ op, go, fail }))
    : Promise.resolve();
  return waiting;
}
