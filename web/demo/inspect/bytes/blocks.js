// The bytes that the view shows, at hand without waiting once they were read.
import { NbdError } from "../../../client/errors.js";

/** Bytes that are read and kept as one. */
export const blockSize = 4096;
/** Blocks that are kept: 2 MiB. */
const kept = 512;
/** The least that a disk can be bad in, in bytes. */
const sectorSize = 512;

/** @typedef {import("../../../client/device.js").BlockDevice} BlockDevice */

/**
 * @typedef {object} Block
 * @property {Uint8Array} bytes
 * @property {Map<number, unknown>} bad why sectors can't be read, by their index in the block
 */

/** The blocks of a device that were read last. A block that is partly bad is kept with the rest. */
export class Blocks {
  /** Least recently used first. @type {Map<number, Block>} */ #blocks = new Map();
  #near;
  #device;

  /**
   * @param {BlockDevice} near where reads are quick: a cache over the device
   * @param {BlockDevice} device what is asked sector by sector when a read fails
   */
  constructor(near, device) {
    this.#near = near;
    this.#device = device;
  }

  get size() {
    return this.#device.size;
  }

  /** A block, if it is at hand. @param {number} index */
  peek(index) {
    const block = this.#blocks.get(index);
    if (!block) return undefined;
    this.#blocks.delete(index);
    this.#blocks.set(index, block);
    return block;
  }

  /**
   * The bytes of a row that are at hand, with null where a byte can't be read.
   * @param {number} offset a multiple of count
   * @param {number} count a power of two, at most 64
   * @returns {(number | null)[] | undefined} fewer at the end of the disk; undefined where nothing is at hand
   */
  rowAt(offset, count) {
    const block = this.peek(Math.floor(offset / blockSize));
    if (!block) return undefined;
    const from = offset % blockSize;
    const row = [...block.bytes.subarray(from, from + count)];
    return block.bad.size > 0 && block.bad.has(Math.floor(from / sectorSize)) ? row.map(() => null) : row;
  }

  /**
   * Bytes at hand from an offset on: fewer than asked where the next is not, or can't be read.
   * @param {number} offset
   * @param {number} length
   */
  bytesAt(offset, length) {
    const found = [];
    for (let at = offset; at < offset + length; at++) {
      const [byte] = this.rowAt(at, 1) ?? [];
      if (typeof byte !== "number") break;
      found.push(byte);
    }
    return Uint8Array.from(found);
  }

  /**
   * Reads what is missing of a range, all at once.
   * @param {number} from
   * @param {number} to
   * @param {AbortSignal} signal
   * @returns {Promise<boolean>} whether anything was missing
   */
  async load(from, to, signal) {
    const missing = [];
    for (let i = Math.floor(from / blockSize); i * blockSize < Math.min(to, this.size); i++) {
      if (!this.#blocks.has(i)) missing.push(i);
    }
    await Promise.all(missing.map((index) => this.#load(index, signal)));
    return missing.length > 0;
  }

  /** Why a byte can't be read. @param {number} offset */
  whyBad(offset) {
    return this.#blocks.get(Math.floor(offset / blockSize))?.bad.get(Math.floor(offset % blockSize / sectorSize));
  }

  /** Forgets what could not be read, to try it again. */
  forgetBad() {
    for (const [index, { bad }] of this.#blocks) if (bad.size > 0) this.#blocks.delete(index);
  }

  /** @param {number} index @param {AbortSignal} signal */
  async #load(index, signal) {
    const offset = index * blockSize;
    const length = Math.min(blockSize, this.size - offset);
    const block = await this.#near.read(offset, length, { signal })
      .then((bytes) => ({ bytes, bad: new Map() }), () => this.#bySector(offset, length, signal));
    this.#blocks.set(index, block);
    if (this.#blocks.size > kept) this.#blocks.delete(/** @type {number} */ (this.#blocks.keys().next().value));
  }

  /**
   * @param {number} offset
   * @param {number} length
   * @param {AbortSignal} signal
   * @returns {Promise<Block>}
   */
  async #bySector(offset, length, signal) {
    const bytes = new Uint8Array(length);
    const bad = /** @type {Map<number, unknown>} */ (new Map());
    const starts = Array.from({ length: Math.ceil(length / sectorSize) }, (_, i) => i * sectorSize);
    await Promise.all(starts.map((at) => this.#device.read(offset + at, Math.min(sectorSize, length - at), { signal })
      .then((part) => bytes.set(part, at), (error) => {
        if (!isAnswer(error)) throw error;
        bad.set(at / sectorSize, error);
      })));
    return { bytes, bad };
  }
}

/**
 * Whether it is the server's word on these very bytes, such as EIO: anything
 * else says nothing about them.
 * @param {unknown} error
 */
function isAnswer(error) {
  return error instanceof NbdError && /^E[A-Z]+$/.test(error.code);
}
