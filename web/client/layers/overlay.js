import { callRules, checkDevice, exactly } from "../checks.js";
import { Device } from "../device.js";
import { NbdError, invalid } from "../errors.js";
import { clip } from "../ranges.js";
import { check, isFunction, isSignal } from "../options.js";
import { mapBounded } from "../signals.js";
import { RangeLock } from "./rangelock.js";

/** @typedef {import("../device.js").BlockDevice} BlockDevice */
/** @typedef {import("../device.js").CallOptions} CallOptions */
/** @typedef {import("../ranges.js").Extent} Extent */

/** Bytes that commit reads from the store at once. */
const commitChunk = 1 << 20;
/** Reads or writes of one operation that are under way at once. */
const partsAtOnce = 4;

/**
 * Where an overlay keeps its blocks. The overlay sees to it that calls which
 * overlap are under way together only if all of them read, that clear and close
 * are alone, and that ranges of write and zero begin and end between blocks, or
 * end with the device. Bytes that it hands over are the store's.
 *
 * A store that survives its page must, whenever the page ends, hold each block
 * as before or as after a call that was under way, never half of it. What
 * fulfilled before a flush is there after it.
 *
 * @typedef {object} OverlayStore
 * @property {number} blockSize in bytes, a power of two from 512
 * @property {number} [size] of the device that it was made for, if it knows
 * @property {(offset: number, length: number) => Extent[]} extents
 *   what it holds of a range, in order: "data" or "zero". Extents may reach
 *   beyond the range, and the last beyond the end of the device
 * @property {(offset: number, length: number) => Promise<Uint8Array<ArrayBuffer>>} read
 *   any bytes of "data"
 * @property {(offset: number, bytes: Uint8Array<ArrayBuffer>) => Promise<void>} write
 *   if it fails, blocks not held before are not held after, and the others are
 *   as before or as after
 * @property {(offset: number, length: number) => Promise<void>} zero
 * @property {() => Promise<void>} flush
 * @property {() => Promise<void>} clear holds nothing afterwards, or all as before
 * @property {() => Promise<void>} close
 */

/** @typedef {{offset: number, length: number, type: "base" | "data" | "zero"}} Part */

/**
 * Copy-on-write: what is written goes to the store, and the device stays as it
 * is until commit(). The overlay can be written whether or not the device can.
 * @param {BlockDevice} device nobody else may change it
 * @param {OverlayStore} store of this overlay alone
 * @returns {Overlay}
 */
export function withOverlay(device, store) {
  checkDevice(device);
  if (typeof store?.extents !== "function") throw invalid("withOverlay needs a store, such as memoryStore().");
  if (store.size !== undefined && store.size !== device.size) throw invalid(`The store was made for a device of ${store.size} bytes, and this one has ${device.size}. Use the device that it was made for, or another store.`);
  return new Overlay(device, new Blocks(device, store));
}

/** What withOverlay gives: a device that can be written, and its changes. */
export class Overlay extends Device {
  #blocks;

  /**
   * For withOverlay, which is how to get one.
   * @param {BlockDevice} device
   * @param {Blocks} blocks
   */
  constructor(device, blocks) {
    super({
      size: device.size,
      blockSize: device.blockSize,
      closed: device.closed,
      read: (offset, length, { signal }) => blocks.read(offset, length, signal),
      write: (offset, bytes, options) => blocks.write(offset, bytes, options),
      flush: () => blocks.flush(),
      trim: (offset, length, { signal }) => blocks.trim(offset, length, signal),
      zero: (offset, length, { signal }) => blocks.zero(offset, length, signal),
      blockStatus: (offset, length, { signal }) => blocks.blockStatus(offset, length, signal),
      close: () => blocks.close(),
    });
    this.#blocks = blocks;
  }

  /**
   * What differs from the device, by whole blocks, in order: "data" or "zero".
   * @returns {Extent[]}
   */
  dirty() {
    return this.#blocks.dirty();
  }

  /**
   * Writes the changes to the device, flushes it, and forgets them. Other
   * operations wait meanwhile. If it fails, or is aborted, the overlay is as it
   * was and can be committed again; the device may have a part of the changes.
   * @param {object} [options]
   * @param {AbortSignal} [options.signal]
   * @param {(progress: {done: number, total: number}) => void} [options.onProgress] in bytes
   * @returns {Promise<void>} rejects with READ_ONLY if the device can't be written
   */
  async commit(options = {}) {
    const { signal, onProgress } = check(options, { signal: isSignal, onProgress: isFunction });
    await this.run(signal, () => this.#blocks.commit(signal, onProgress));
  }

  /**
   * Forgets the changes: the overlay reads like the device again.
   * @param {CallOptions} [options]
   * @returns {Promise<void>}
   */
  async reset(options = {}) {
    const { signal } = check(options, callRules);
    await this.run(signal, () => this.#blocks.reset(signal));
  }
}

class Blocks {
  #device;
  #store;
  #lock = new RangeLock();

  /** @param {BlockDevice} device @param {OverlayStore} store */
  constructor(device, store) {
    this.#device = device;
    this.#store = store;
  }

  /**
   * The device is read without the lock: a block that is written meanwhile may
   * be read as it was.
   * @param {number} offset
   * @param {number} length
   * @param {AbortSignal} [signal]
   */
  async read(offset, length, signal) {
    const out = new Uint8Array(length);
    const [from, to] = this.#whole(offset, offset + length);
    const parts = await this.#lock.with(from, to, false, signal, async () => {
      const found = this.#parts(offset, length);
      await this.#fill(out, offset, found.filter((p) => p.type === "data"), signal);
      return found;
    });
    await this.#fill(out, offset, parts.filter((p) => p.type === "base"), signal);
    return out;
  }

  /**
   * @param {Uint8Array} out
   * @param {number} start where out begins
   * @param {Part[]} parts
   * @param {AbortSignal} [signal]
   */
  async #fill(out, start, parts, signal) {
    await mapBounded(parts, partsAtOnce, signal, async ({ offset, length, type }, scope) => {
      if (type === "zero") return;
      const bytes = type === "data" ? this.#store.read(offset, length) : this.#device.read(offset, length, { signal: scope });
      out.set(exactly(await bytes, length), offset - start);
    });
  }

  /**
   * @param {number} offset
   * @param {Uint8Array<ArrayBuffer>} bytes
   * @param {{signal?: AbortSignal, fua: boolean}} options
   */
  async write(offset, bytes, { signal, fua }) {
    const [from, to] = this.#whole(offset, offset + bytes.byteLength);
    await this.#lock.with(from, to, true, signal, async () => {
      await this.#put(offset, bytes, signal);
      if (fua) await this.#store.flush();
    });
  }

  /**
   * Writes whole blocks: what the bytes leave of the first and the last one is
   * read before. The caller holds the lock.
   * @param {number} offset
   * @param {Uint8Array<ArrayBuffer>} bytes
   * @param {AbortSignal} [signal]
   */
  async #put(offset, bytes, signal) {
    const end = offset + bytes.byteLength;
    const [from, to] = this.#whole(offset, end);
    if (from === offset && to === end) return this.#store.write(from, bytes);
    const blocks = new Uint8Array(to - from);
    const edges = to - from <= this.#store.blockSize ? [[from, to]] : [[from, offset], [end, to]];
    await this.#fill(blocks, from, edges.flatMap(([a, b]) => this.#parts(a, b - a)), signal);
    signal?.throwIfAborted();
    blocks.set(bytes, offset - from);
    return this.#store.write(from, blocks);
  }

  /** @param {number} offset @param {number} length @param {AbortSignal} [signal] */
  async zero(offset, length, signal) {
    const end = offset + length;
    const [from, to] = this.#whole(offset, end);
    const [first, last] = this.#inner(offset, end);
    await this.#lock.with(from, to, true, signal, async () => {
      if (first >= last) return this.#put(offset, new Uint8Array(length), signal);
      if (offset < first) await this.#put(offset, new Uint8Array(first - offset), signal);
      await this.#store.zero(first, last - first);
      if (last < end) await this.#put(last, new Uint8Array(end - last), signal);
    });
  }

  /**
   * Blocks that are trimmed as a whole read as zeros; the others stay.
   * @param {number} offset
   * @param {number} length
   * @param {AbortSignal} [signal]
   */
  async trim(offset, length, signal) {
    const [first, last] = this.#inner(offset, offset + length);
    if (first >= last) return;
    await this.#lock.with(first, last, true, signal, () => this.#store.zero(first, last - first));
  }

  flush() {
    return this.#store.flush();
  }

  /** @param {number} offset @param {number} length @param {AbortSignal} [signal] */
  async blockStatus(offset, length, signal) {
    const parts = this.#parts(offset, length);
    const base = parts.some((p) => p.type === "base") ? await this.#device.blockStatus(offset, length, { signal }) : [];
    return parts.flatMap(({ type, ...p }) => type === "base" ? clip(base, p.offset, p.length) : [{ ...p, type }]);
  }

  dirty() {
    return clip(this.#store.extents(0, this.#device.size), 0, this.#device.size);
  }

  /**
   * Writes to the device are never aborted: one that was could still happen
   * after the lock is free, over what a later commit has written.
   * @param {AbortSignal | undefined} signal
   * @param {((progress: {done: number, total: number}) => void) | undefined} onProgress
   */
  async commit(signal, onProgress) {
    if (this.#device.readOnly) throw new NbdError("READ_ONLY", "The overlay can't be committed: the device under it is read-only. Open its disk with readOnly: false.");
    await this.#lock.with(0, this.#device.size, true, signal, async () => {
      const changes = this.dirty();
      const total = changes.reduce((sum, { length }) => sum + length, 0);
      let done = 0;
      await mapBounded(changes.flatMap(chunks), partsAtOnce, signal, async (chunk) => {
        await this.#apply(chunk);
        onProgress?.({ done: done += chunk.length, total });
      });
      await this.#device.flush({ signal });
      await this.#store.clear();
    });
  }

  /** @param {Extent} change */
  async #apply({ offset, length, type }) {
    if (type === "zero") return this.#applyZeros(offset, length);
    await this.#device.write(offset, exactly(await this.#store.read(offset, length), length), { transfer: true });
  }

  /** @param {number} offset @param {number} length */
  async #applyZeros(offset, length) {
    try {
      await this.#device.zero(offset, length, { unmap: true });
    } catch (/** @type {any} */ error) {
      if (error?.code !== "ENOTSUP") throw error;
      for (let done = 0; done < length; done += commitChunk) {
        await this.#device.write(offset + done, new Uint8Array(Math.min(commitChunk, length - done)), { transfer: true });
      }
    }
  }

  /** @param {AbortSignal} [signal] */
  reset(signal) {
    return this.#lock.with(0, this.#device.size, true, signal, () => this.#store.clear());
  }

  async close() {
    await this.#store.close().catch(() => {}); // what mattered was flushed
    await this.#device.close();
  }

  /**
   * A range, in parts by where their content is.
   * @param {number} offset
   * @param {number} length
   * @returns {Part[]}
   */
  #parts(offset, length) {
    /** @type {Part[]} */
    const parts = [];
    let at = offset;
    const base = (/** @type {number} */ to) => { if (at < to) parts.push({ offset: at, length: to - at, type: "base" }); };
    for (const extent of clip(this.#store.extents(offset, length), offset, length)) {
      base(extent.offset);
      parts.push(/** @type {Part} */ (extent));
      at = extent.offset + extent.length;
    }
    base(offset + length);
    return parts;
  }

  /**
   * The range that has all blocks which a range touches.
   * @param {number} from
   * @param {number} to
   */
  #whole(from, to) {
    const { blockSize } = this.#store;
    return [Math.floor(from / blockSize) * blockSize, Math.min(Math.ceil(to / blockSize) * blockSize, this.#device.size)];
  }

  /**
   * The range that has all blocks which are within a range.
   * @param {number} from
   * @param {number} to
   */
  #inner(from, to) {
    const { blockSize } = this.#store;
    const last = to === this.#device.size ? to : Math.floor(to / blockSize) * blockSize;
    return [Math.ceil(from / blockSize) * blockSize, last];
  }
}

/**
 * Zeros are not read, and need not be cut.
 * @param {Extent} extent
 * @returns {Extent[]}
 */
function chunks({ offset, length, type }) {
  /** @type {Extent[]} */
  const list = [];
  const step = type === "zero" ? length : commitChunk;
  for (let at = 0; at < length; at += step) list.push({ offset: offset + at, length: Math.min(step, length - at), type });
  return list;
}
