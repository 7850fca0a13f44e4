import { NbdError, invalid } from "../errors.js";
import { byteCount, check } from "../options.js";
import { RunMap, nowhere } from "./runmap.js";

/** @typedef {import("../device.js").Bytes} Bytes */
/** @typedef {import("./overlay.js").OverlayStore} OverlayStore */

const anything = () => true; // byteCount checks it

/**
 * Holds what an overlay changes in memory. It is gone with the page.
 * @param {object} [options]
 * @param {Bytes} [options.blockSize] in bytes, a power of two from
 *   512 to 1 MiB; default 4096
 * @param {Bytes} [options.limit] bytes to hold; writes beyond it reject with
 *   ENOSPC. Default: no limit
 * @returns {OverlayStore}
 */
export function memoryStore(options = {}) {
  const given = check(options, { blockSize: anything, limit: anything });
  return new MemoryStore(blockSizeOf(given.blockSize), byteCount("limit", given.limit ?? Number.MAX_SAFE_INTEGER));
}

/** A write of one byte makes a whole block. */
const largestBlock = 1 << 20;

/** @param {Bytes} [given] */
export function blockSizeOf(given = 4096) {
  const blockSize = byteCount("blockSize", given);
  if (blockSize < 512 || blockSize > largestBlock || !Number.isInteger(Math.log2(blockSize))) throw invalid(`Option blockSize is ${blockSize}: want a power of two from 512 to ${largestBlock}.`);
  return blockSize;
}

/** @implements {OverlayStore} */
class MemoryStore {
  /** Of those that are data. @type {Map<number, Uint8Array<ArrayBuffer>>} */ #blocks = new Map();
  /** Data lies in the slot of its own number. */ #map = new RunMap();
  #limit;

  /** @param {number} blockSize @param {number} limit */
  constructor(blockSize, limit) {
    /** @readonly */
    this.blockSize = blockSize;
    this.#limit = limit;
  }

  /**
   * @param {number} offset
   * @param {number} length
   * @returns {import("../ranges.js").Extent[]}
   */
  extents(offset, length) {
    const [first, end] = this.#range(offset, length);
    return this.#map.within(first, end).map((run) => ({
      offset: run.first * this.blockSize,
      length: (run.end - run.first) * this.blockSize,
      type: run.slot === nowhere ? "zero" : "data",
    }));
  }

  /** @param {number} offset @param {number} length */
  async read(offset, length) {
    const out = new Uint8Array(length);
    const [first, end] = this.#range(offset, length);
    for (let i = first; i < end; i++) {
      const at = Math.max(offset, i * this.blockSize);
      const start = at - i * this.blockSize;
      out.set(/** @type {Uint8Array} */ (this.#blocks.get(i)).subarray(start, start + (offset + length - at)), at - offset);
    }
    return out;
  }

  /** @param {number} offset @param {Uint8Array<ArrayBuffer>} bytes */
  async write(offset, bytes) {
    const [first, end] = this.#range(offset, bytes.byteLength);
    this.#reserve(first, end);
    for (let i = first; i < end; i++) {
      const start = i * this.blockSize - offset;
      this.#blocks.set(i, bytes.slice(start, start + this.blockSize));
    }
    this.#map.set(first, end, first);
  }

  /** @param {number} first @param {number} end */
  #reserve(first, end) {
    let held = 0;
    for (const run of this.#map.within(first, end)) if (run.slot !== nowhere) held += run.end - run.first;
    const wanted = (this.#blocks.size + end - first - held) * this.blockSize;
    if (wanted > this.#limit) throw new NbdError("ENOSPC", `The overlay is full: it may hold ${this.#limit} bytes in memory. Commit or reset it, or give its store a higher limit.`);
  }

  /** @param {number} offset @param {number} length */
  async zero(offset, length) {
    const [first, end] = this.#range(offset, length);
    for (const run of this.#map.set(first, end, nowhere)) {
      for (let i = run.first; run.slot !== nowhere && i < run.end; i++) this.#blocks.delete(i);
    }
  }

  async flush() {}

  clear() {
    return this.replace(async () => {});
  }

  /** @param {() => Promise<void>} task */
  async replace(task) {
    const [blocks, map] = [this.#blocks, this.#map];
    this.#blocks = new Map();
    this.#map = new RunMap();
    try {
      await task();
    } catch (error) {
      this.#blocks = blocks;
      this.#map = map;
      throw error;
    }
  }

  async close() {}

  /**
   * @param {number} offset
   * @param {number} length
   * @returns {[number, number]} block indexes
   */
  #range(offset, length) {
    return [Math.floor(offset / this.blockSize), Math.ceil((offset + length) / this.blockSize)];
  }
}
