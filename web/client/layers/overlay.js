import { callRules, checkDevice } from "../checks.js";
import { Device } from "../device.js";
import { NbdError, invalid } from "../errors.js";
import { check, isFunction, isSignal } from "../options.js";
import { unlessAborted } from "../signals.js";
import { Blocks } from "./overlayblocks.js";

/** @typedef {import("../device.js").BlockDevice} BlockDevice */
/** @typedef {import("../device.js").CallOptions} CallOptions */
/** @typedef {import("../ranges.js").Extent} Extent */

/**
 * Where an overlay keeps its blocks. The overlay sees to it that calls which
 * overlap are under way together only if all of them read, that clear, replace
 * and close are alone, and that ranges of write and zero begin and end between blocks, or
 * end with the device. Bytes that it hands over are the store's.
 *
 * A store that survives its page must, whenever the page ends, hold each block
 * as before or as after a call that was under way, never half of it. What
 * fulfilled before a flush is there after it.
 *
 * @typedef {object} OverlayStore
 * @property {number} blockSize in bytes, a power of two from 512 to 1 MiB
 * @property {number} [size] of the device that it was made for, if it knows
 * @property {string} [identity] of that device, if it knows
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
 * @property {(task: () => Promise<void>) => Promise<void>} replace holds nothing
 *   while the task writes, and then what it has written, durably; if it or the
 *   task fails, all as before
 * @property {() => Promise<void>} close
 */

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
  const other = store.size !== undefined && store.size !== device.size ? `of ${store.size} bytes, and this one has ${device.size}`
    : store.identity !== undefined && device.identity !== undefined && store.identity !== device.identity ? `which is ${store.identity}, and this one is ${device.identity}`
    : undefined;
  if (other) throw new NbdError("IDENTITY", `The store was made for another device, ${other}. Use the device that it was made for, or another store.`);
  return new Overlay(device, new Blocks(device, store));
}

/**
 * For an adapter that has kept the changes in its own way.
 * @type {(overlay: Overlay, changes: Iterable<import("./overlayfile.js").Change>) => Promise<void>}
 */
export let replaceChanges;

/** What withOverlay gives: a device that can be written, and its changes. */
export class Overlay extends Device {
  #blocks;

  static {
    replaceChanges = (overlay, changes) => overlay.run(undefined, () => overlay.#blocks.replace(changes));
  }

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

  /**
   * The changes as a file, in the format of overlayfile.js: dirty() and its
   * data, with checksums. Writes, and reads of what they write, wait until the
   * stream was read to its end or cancelled; it fails with TIMEOUT if nobody reads it for a minute.
   * @param {object} [options]
   * @param {AbortSignal} [options.signal]
   * @returns {Promise<ReadableStream<Uint8Array<ArrayBuffer>>>}
   */
  async export(options = {}) {
    const { signal } = check(options, callRules);
    return new Promise((resolve, reject) => {
      this.run(signal, () => this.#blocks.export(signal, resolve)).catch(reject);
    });
  }

  /**
   * Puts the changes of an exported file in the place of those that are here.
   * The whole file is checked before; a stream is kept by the browser as a
   * whole for that. Other operations wait while the file is written.
   * @param {Blob | ReadableStream<Uint8Array<ArrayBuffer>>} file
   * @param {object} [options]
   * @param {AbortSignal} [options.signal]
   * @returns {Promise<void>} if it rejects, all is as before: INVALID_ARGUMENT
   *   for no good file, IDENTITY for one of another device
   */
  async import(file, options = {}) {
    const { signal } = check(options, callRules);
    if (!isBlob(file) && typeof file?.getReader !== "function") throw invalid("import takes a Blob, such as a File, or a ReadableStream of bytes.");
    await this.run(signal, async () => this.#blocks.import(await blobOf(file, signal), signal));
  }
}

/**
 * @param {Blob | ReadableStream<Uint8Array<ArrayBuffer>>} file
 * @param {AbortSignal} [signal]
 * @returns {Promise<Blob>}
 */
async function blobOf(file, signal) {
  if (isBlob(file)) return file;
  try {
    return await unlessAborted(new Response(file.pipeThrough(new TransformStream(), { signal })).blob(), signal);
  } catch (cause) {
    signal?.throwIfAborted();
    throw new NbdError("EIO", `The stream to import failed (${cause}). Nothing was changed; give it again.`, {}, { stage: "client", cause });
  }
}

/** Also one of another frame. @param {any} file @returns {file is Blob} */
const isBlob = (file) => typeof file?.stream === "function";
