import { callRules, checkRange, checkRanges, clamp, exactly, owned, streamRules, viewOf, writeRules, zeroRules } from "./checks.js";
import { NbdError } from "./errors.js";
import { append } from "./ranges.js";
import { readMany, stream } from "./many.js";
import { check } from "./options.js";

/** How long close() waits for operations under way, in milliseconds. */
const closeLimit = 6000;
/** Bytes of zeros that are written at once where a device can't zero by itself. */
const zeroChunk = 1 << 20;
/** The default of a stream's chunkSize, in bytes. */
const streamChunk = 1 << 20;
/** How messages call a device without a name. */
const untitled = "device";

/** @typedef {import("./ranges.js").Extent} Extent */
/** @typedef {import("./facts.js").BlockSize} BlockSize */

/**
 * A count of bytes, from 0 to 2^53-1.
 * @typedef {number | bigint} Bytes
 */

/** @typedef {{offset: Bytes, length: Bytes}} Range */
/** @typedef {{signal?: AbortSignal}} CallOptions */

/**
 * @typedef {object} WriteOptions
 * @property {boolean} [fua] durable when the promise fulfils
 * @property {boolean} [transfer] saves a copy: the buffer under the bytes
 *   belongs to the device from now on, and may be detached
 * @property {AbortSignal} [signal]
 */

/**
 * @typedef {object} ZeroOptions
 * @property {boolean} [unmap] the device may free the room; by default it stays
 *   allocated
 * @property {AbortSignal} [signal]
 */

/**
 * @typedef {object} StreamOptions
 * @property {Bytes} [offset] default 0
 * @property {Bytes} [length] default: up to the end of the device
 * @property {number} [chunkSize] bytes of each chunk but the last, from 1 to
 *   16 MiB; default 1 MiB
 * @property {AbortSignal} [signal]
 * @property {(progress: {done: number, total: number}) => void} [onProgress]
 *   called with each chunk; both are in bytes
 */

/**
 * What every disk and every layer is, and all that a layer or an adapter may
 * ask of what is beneath it. Any range of bytes within the device will do:
 * alignment is the device's affair. Many operations may be under way at once,
 * and end in any order; of operations that overlap while both are under way,
 * either may come first.
 *
 * Every promise settles. It rejects with an NbdError, or with the reason of the
 * signal. Arguments that can't be meant reject with INVALID_ARGUMENT, ranges
 * beyond the end with OUT_OF_RANGE, changes of a read-only device with
 * READ_ONLY, and everything after close() with CLOSED; none of these reach the
 * device. A device that can't trim or zero may reject both with ENOTSUP. A write,
 * trim or zero that was aborted or failed may have happened, also in part.
 *
 * @typedef {object} BlockDevice
 * @property {number} size in bytes
 * @property {boolean} readOnly
 * @property {BlockSize} blockSize hints for speed
 * @property {string} [identity] names what the content comes from: the same for
 *   the same export of the same server, and for the same part of it. None where
 *   nothing is known, or where a layer changes the content
 * @property {(offset: Bytes, length: Bytes, options?: CallOptions) => Promise<Uint8Array<ArrayBuffer>>} read
 *   exactly length bytes, in a buffer of their own; length may be 0
 * @property {(ranges: readonly Range[], options?: CallOptions) => Promise<Uint8Array<ArrayBuffer>[]>} readMany
 *   one result for each range, in their order; rejects as a whole
 * @property {(offset: Bytes, bytes: ArrayBufferView | ArrayBuffer, options?: WriteOptions) => Promise<void>} write
 *   the bytes are copied before it returns, unless transferred; flush() or fua make them durable
 * @property {(options?: CallOptions) => Promise<void>} flush makes durable what fulfilled before
 * @property {(offset: Bytes, length: Bytes, options?: CallOptions) => Promise<void>} trim
 *   says that the content is of no use; it may then read as before, as zeros, or a mix
 * @property {(offset: Bytes, length: Bytes, options?: ZeroOptions) => Promise<void>} zero writes zeros
 * @property {(offset: Bytes, length: Bytes, options?: CallOptions) => Promise<Extent[]>} blockStatus
 *   the whole range in order, neighbours of one type merged; "data" where nothing is known
 * @property {(options?: StreamOptions) => AsyncIterable<Uint8Array<ArrayBuffer>>} stream
 *   the range in order, some reads ahead of the consumer
 * @property {(start?: number, end?: number) => Promise<ArrayBuffer>} slice
 *   like ArrayBuffer.prototype.slice: negative indexes count from the end, and both are clamped
 * @property {() => Promise<void>} close lets operations under way end; may be called again, never rejects
 * @property {Promise<NbdError | undefined>} closed fulfils when the device has
 *   ended: with undefined after close(), otherwise with why. UNFLUSHED after
 *   close() tells that acknowledged writes were lost. It never rejects
 */

/**
 * What a Device is made of. Arguments have been checked, and lengths are not 0.
 * Bytes given to write belong to the driver, and those that read gives belong
 * to the reader.
 * @typedef {object} Driver
 * @property {number} size
 * @property {BlockSize} blockSize
 * @property {string} [identity] as that of a BlockDevice
 * @property {string} [title] how messages call it, such as 'disk "vda"'
 * @property {(offset: number, length: number, options: CallOptions) => Promise<Uint8Array<ArrayBuffer>>} read
 * @property {(ranges: {offset: number, length: number}[], options: CallOptions) => Promise<Uint8Array<ArrayBuffer>[]>} [readMany]
 *   default: some reads at once
 * @property {(offset: number, bytes: Uint8Array<ArrayBuffer>, options: {signal?: AbortSignal, fua: boolean}) => Promise<void>} [write]
 *   a driver without it makes a read-only device
 * @property {(options: CallOptions) => Promise<void>} [flush] default: nothing is to be done
 * @property {(offset: number, length: number, options: CallOptions) => Promise<void>} [trim] default: nothing happens
 * @property {(offset: number, length: number, options: {signal?: AbortSignal, unmap: boolean}) => Promise<void>} [zero]
 *   default: writes of zeros
 * @property {(offset: number, length: number, options: CallOptions) => Promise<Iterable<Extent>>} [blockStatus]
 *   default: all is data
 * @property {() => void} [closing] called once, when close() is: what waits in vain should end
 * @property {() => Promise<unknown>} [close] called once, when no operation is under way or they took too long;
 *   an NbdError that it fulfils with tells what was lost, and closed tells it on
 * @property {Promise<NbdError | undefined>} [closed] of the device beneath
 */

/** @typedef {Driver & Required<Pick<Driver, "write">>} WritableDriver */

/**
 * A BlockDevice over a driver: it checks arguments, and adds what follows from
 * the driver's few methods. The driver can't be reached through it.
 * @implements {BlockDevice}
 */
export class Device {
  /** @type {Driver} */ #driver;
  /** Why operations are refused. @type {NbdError | undefined} */ #refusal;
  #underWay = 0;
  #onIdle = () => {};
  /** @type {(why?: NbdError) => void} */ #end = () => {};
  /** @type {Promise<void> | undefined} */ #closeDone;
  /** @readonly @type {Promise<NbdError | undefined>} */ closed;

  /** @param {Driver} driver */
  constructor(driver) {
    this.#driver = driver;
    this.closed = new Promise((resolve) => { this.#end = resolve; });
    driver.closed?.then((why) => {
      this.#refusal ??= why ?? closedError(driver.title);
      this.#end(why);
    });
  }

  get size() { return this.#driver.size; }
  /** Size in bytes, by the name that AsyncBuffer gives it. */
  get byteLength() { return this.#driver.size; }
  get readOnly() { return !this.#driver.write; }
  get blockSize() { return this.#driver.blockSize; }
  /** @returns {string | undefined} */
  get identity() { return this.#driver.identity; }

  /** @param {Bytes} offset @param {Bytes} length @returns {[number, number]} */
  #range(offset, length) {
    return checkRange(offset, length, this.size, this.#driver.title);
  }

  /**
   * @param {Bytes} offset
   * @param {Bytes} length
   * @param {CallOptions} [options]
   * @returns {Promise<Uint8Array<ArrayBuffer>>}
   */
  async read(offset, length, options = {}) {
    const { signal } = check(options, callRules);
    const [from, count] = this.#range(offset, length);
    return this.run(signal, () => this.#read(from, count, signal));
  }

  /** @param {number} offset @param {number} length @param {AbortSignal} [signal] */
  async #read(offset, length, signal) {
    if (length === 0) return new Uint8Array(0);
    return exactly(await this.#driver.read(offset, length, { signal }), length);
  }

  /**
   * @param {readonly Range[]} ranges
   * @param {CallOptions} [options]
   * @returns {Promise<Uint8Array<ArrayBuffer>[]>}
   */
  async readMany(ranges, options = {}) {
    const { signal } = check(options, callRules);
    const list = checkRanges(ranges, this.size, this.#driver.title);
    return this.run(signal, async () => {
      if (!this.#driver.readMany) return readMany((offset, length, scope) => this.#read(offset, length, scope), list, signal);
      const parts = await this.#driver.readMany(list, { signal });
      return list.map(({ length }, i) => exactly(parts[i], length));
    });
  }

  /**
   * @param {Bytes} offset
   * @param {ArrayBufferView | ArrayBuffer} bytes
   * @param {WriteOptions} [options]
   * @returns {Promise<void>}
   */
  async write(offset, bytes, options = {}) {
    const { signal, fua = false, transfer = false } = check(options, writeRules);
    const view = viewOf(bytes);
    const [from, count] = this.#range(offset, view.byteLength);
    const driver = this.#writable(from);
    await this.run(signal, async () => {
      if (count > 0) await driver.write(from, transfer ? owned(view) : new Uint8Array(view), { signal, fua });
    });
  }

  /** @param {CallOptions} [options] @returns {Promise<void>} */
  async flush(options = {}) {
    const { signal } = check(options, callRules);
    await this.run(signal, async () => this.#driver.flush?.({ signal }));
  }

  /**
   * @param {Bytes} offset
   * @param {Bytes} length
   * @param {CallOptions} [options]
   * @returns {Promise<void>}
   */
  async trim(offset, length, options = {}) {
    const { signal } = check(options, callRules);
    const [from, count] = this.#range(offset, length);
    const driver = this.#writable(from);
    await this.run(signal, async () => {
      if (count > 0) await driver.trim?.(from, count, { signal });
    });
  }

  /**
   * @param {Bytes} offset
   * @param {Bytes} length
   * @param {ZeroOptions} [options]
   * @returns {Promise<void>}
   */
  async zero(offset, length, options = {}) {
    const { signal, unmap = false } = check(options, zeroRules);
    const [from, count] = this.#range(offset, length);
    const driver = this.#writable(from);
    await this.run(signal, async () => {
      if (count === 0) return;
      if (driver.zero) await driver.zero(from, count, { signal, unmap });
      else await writeZeros(driver, from, count, signal);
    });
  }

  /**
   * @param {Bytes} offset
   * @param {Bytes} length
   * @param {CallOptions} [options]
   * @returns {Promise<Extent[]>}
   */
  async blockStatus(offset, length, options = {}) {
    const { signal } = check(options, callRules);
    const [from, count] = this.#range(offset, length);
    /** @type {Extent[]} */
    const merged = [];
    return this.run(signal, async () => {
      if (count === 0) return merged;
      const known = await this.#driver.blockStatus?.(from, count, { signal });
      for (const extent of known ?? [{ offset: from, length: count, type: "data" }]) append(merged, extent);
      return merged;
    });
  }

  /**
   * Up to 8 MiB, and at least two chunks, are fetched ahead; what the loop does
   * not take is not asked for. To leave the loop ends it.
   * @param {StreamOptions} [options]
   * @returns {AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined>} it rejects like read
   */
  async *stream(options = {}) {
    const { signal, onProgress, chunkSize = streamChunk, offset = 0, length } = check(options, streamRules);
    const [start] = this.#range(offset, 0);
    const [from, total] = this.#range(start, length === undefined ? this.size - start : length);
    yield* stream((at, count, scope) => this.read(at, count, { signal: scope }), { offset: from, total, chunkSize, signal, onProgress });
  }

  /**
   * @param {number} [start]
   * @param {number} [end]
   * @returns {Promise<ArrayBuffer>}
   */
  async slice(start = 0, end = this.size) {
    const from = clamp(start, this.size);
    return (await this.read(from, Math.max(clamp(end, this.size) - from, 0))).buffer;
  }

  /**
   * Lets operations under way end, for some seconds, and closes what is
   * beneath too.
   * @returns {Promise<void>}
   */
  close() {
    this.#closeDone ??= this.#close();
    return this.#closeDone;
  }

  async #close() {
    this.#refusal ??= closedError(this.#driver.title);
    this.#driver.closing?.();
    await this.#idle();
    const lost = await this.#driver.close?.().catch(() => {}); // nobody could act on it
    this.#end(lost instanceof NbdError ? lost : undefined);
  }

  /** Waits until no operation is under way, or closeLimit has passed. */
  async #idle() {
    if (this.#underWay === 0) return;
    await /** @type {Promise<void>} */ (new Promise((resolve) => {
      const timer = setTimeout(resolve, closeLimit);
      this.#onIdle = () => (clearTimeout(timer), resolve());
    }));
  }

  /**
   * For layers with operations of their own: refuses them after close(), and
   * has close() wait for them.
   * @template T
   * @param {AbortSignal | undefined} signal
   * @param {() => Promise<T>} operation
   * @returns {Promise<T>}
   */
  async run(signal, operation) {
    signal?.throwIfAborted();
    if (this.#refusal) throw this.#refusal;
    this.#underWay++;
    try {
      return await operation();
    } finally {
      if (--this.#underWay === 0) this.#onIdle();
    }
  }

  /** @param {number} offset of what would be changed @returns {WritableDriver} */
  #writable(offset) {
    if (!this.#driver.write) throw new NbdError("READ_ONLY", `The ${this.#driver.title ?? untitled} is read-only. Open its disk with readOnly: false and have the export writable, or put an overlay over it.`, { offset });
    return /** @type {WritableDriver} */ (this.#driver);
  }
}

if (Symbol.asyncDispose) {
  Object.defineProperty(Device.prototype, Symbol.asyncDispose, {
    /** @this {Device} */ value() { return this.close(); },
  });
}

/**
 * @param {WritableDriver} driver
 * @param {number} offset
 * @param {number} length
 * @param {AbortSignal} [signal]
 */
async function writeZeros(driver, offset, length, signal) {
  for (let done = 0; done < length; done += zeroChunk) {
    signal?.throwIfAborted();
    await driver.write(offset + done, new Uint8Array(Math.min(zeroChunk, length - done)), { signal, fua: false });
  }
}

/** @param {string} [title] */
function closedError(title = untitled) {
  return new NbdError("CLOSED", `The ${title} was closed. Open it again to go on.`);
}
