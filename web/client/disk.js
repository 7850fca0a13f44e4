import { NbdError, invalid } from "./errors.js";
import { extentsOf } from "./extents.js";
import { readMany, stream } from "./many.js";
import { byteCount, readOptions, streamOptions, writeOptions, zeroOptions } from "./options.js";

/** How long close() waits for the worker to end the connection in order, in milliseconds. */
const closeLimit = 8000;

/**
 * Block sizes of the export, in bytes. They are hints for speed: any range can
 * be read and written.
 * @typedef {{minimum: number, preferred: number, maximumPayload: number}} BlockSize
 */

/**
 * The certificate of the NBD server.
 * @typedef {object} Peer
 * @property {string} subject
 * @property {string} issuer
 * @property {string} notBefore ISO 8601
 * @property {string} notAfter ISO 8601
 * @property {string[]} dnsNames
 * @property {string} pin of its key, as for the option tls.pins
 * @property {string} fingerprint SHA-256 of the certificate, "AB:CD:…"
 */

/**
 * The TLS session with the NBD server.
 * @typedef {object} TlsFacts
 * @property {string} version such as "TLS 1.3"
 * @property {string} cipherSuite
 * @property {string} serverName as given; not checked where verifiedBy has no "ca"
 * @property {"ca" | "ca+pin" | "pin" | "nothing"} verifiedBy
 * @property {boolean} insecure true if anybody's certificate was accepted
 * @property {Peer} peer
 */

/**
 * What the export offers. The method for what it does not offer rejects with
 * ENOTSUP, and nothing is sent. fua alone is made up for, where there is flush.
 * @typedef {object} Features
 * @property {boolean} flush
 * @property {boolean} fua
 * @property {boolean} trim
 * @property {boolean} zero
 * @property {boolean} cache
 * @property {boolean} multipleConnections a flush on one of them is good for all
 */

/**
 * @typedef {object} DiskFacts
 * @property {number} size in bytes
 * @property {boolean} readOnly
 * @property {string} exportName
 * @property {string} description free text of the server's; may be empty
 * @property {BlockSize} blockSize
 * @property {Features} features
 * @property {TlsFacts | null} tls
 */

/**
 * A remote disk. Offsets and lengths are in bytes, up to 2^53-1, as number or
 * bigint; any range within the disk will do. Many operations may be under way
 * at once, and end in any order.
 *
 * Every operation rejects with an NbdError, or with the reason of its signal.
 * An aborted write may or may not happen.
 *
 * A Disk has byteLength and slice, and so is an AsyncBuffer.
 */
export class Disk {
  #rpc;
  #facts;
  #closing = false;
  /** @type {Promise<void> | undefined} */ #closeDone;

  /**
   * For open(), which is how to get one.
   * @param {import("./rpc.js").Rpc} rpc
   * @param {DiskFacts} facts
   */
  constructor(rpc, facts) {
    this.#rpc = rpc;
    this.#facts = facts;
    /**
     * Fulfils when the connection has ended: with undefined after close(),
     * otherwise with the NbdError that tells why. It never rejects.
     * @readonly @type {Promise<NbdError | undefined>}
     */
    this.closed = rpc.call("wait").then(() => undefined, (error) => this.#lost(error));
  }

  /** Size in bytes. */
  get size() { return this.#facts.size; }
  /** Size in bytes, by the name that AsyncBuffer gives it. */
  get byteLength() { return this.#facts.size; }
  /** True unless it was opened with readOnly: false and the export is writable. */
  get readOnly() { return this.#facts.readOnly; }
  /** Name of the export, as the server tells it. */
  get exportName() { return this.#facts.exportName; }
  /** What the server says of the export, for people; may be empty. */
  get description() { return this.#facts.description; }
  get blockSize() { return this.#facts.blockSize; }
  get features() { return this.#facts.features; }
  /** The TLS session; null with tls.mode "off", and with "prefer" where TLS was refused. */
  get tls() { return this.#facts.tls; }

  /**
   * @param {number | bigint} offset
   * @param {number | bigint} length
   * @param {{signal?: AbortSignal}} [options]
   * @returns {Promise<Uint8Array<ArrayBuffer>>} exactly length bytes, with a buffer of their own
   */
  async read(offset, length, options) {
    const { signal } = readOptions(options);
    const [at, count] = this.#range(offset, length);
    return this.#read(at, count, { signal });
  }

  /**
   * Reads many ranges together, which is faster than one after the other.
   * Nothing is read unless all of them are within the disk.
   * @param {readonly {offset: number | bigint, length: number | bigint}[]} ranges
   * @param {{signal?: AbortSignal}} [options]
   * @returns {Promise<Uint8Array<ArrayBuffer>[]>} in the order of the ranges
   */
  async readMany(ranges, options) {
    const { signal } = readOptions(options);
    if (!Array.isArray(ranges)) throw invalid("readMany takes an array of ranges, {offset, length}.");
    return readMany(this.#read, ranges.map((range) => this.#range(range?.offset, range?.length)), signal);
  }

  /**
   * Reads the disk, or a part, from its beginning to its end:
   *
   *     for await (const bytes of disk.stream()) hash.update(bytes);
   *
   * Up to 8 MiB, and at least two chunks, are fetched ahead; what the loop does
   * not take is not asked for. To leave the loop ends it.
   * @param {import("./options.js").StreamOptions} [options]
   * @returns {AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined>} it
   *   rejects like read
   */
  async *stream(options) {
    const { offset = 0, length, ...rest } = streamOptions(options);
    const [from] = this.#range(offset, 0);
    yield* stream(this.#read, this.#range(from, length ?? this.size - from), rest);
  }

  /**
   * Writes the bytes of the view. They are copied before write returns its
   * promise, so the caller may change them at once.
   * @param {number | bigint} offset
   * @param {ArrayBufferView | ArrayBuffer} bytes
   * @param {object} [options]
   * @param {boolean} [options.fua] durable when the promise fulfils
   * @param {boolean} [options.transfer] saves the copy; the whole buffer under
   *   the view is detached
   * @param {AbortSignal} [options.signal]
   * @returns {Promise<void>} fulfils when the server has answered; flush() or fua make it durable
   */
  async write(offset, bytes, options) {
    const { signal, fua = false, transfer = false } = writeOptions(options);
    const view = viewOf(bytes);
    const [at] = this.#range(offset, view.byteLength);
    this.#mayWrite(at);
    signal?.throwIfAborted(); // before the buffer is taken away
    if (transfer && !(view.buffer instanceof ArrayBuffer)) throw invalid("A shared buffer can't be transferred: leave the option transfer out.");
    const data = transfer ? view : new Uint8Array(view);
    await this.#rpc.call("write", [at, data, fua], { signal, transfer: [/** @type {ArrayBuffer} */ (data.buffer)] });
  }

  /**
   * Makes every write durable that fulfilled before.
   * @param {{signal?: AbortSignal}} [options]
   * @returns {Promise<void>}
   */
  async flush(options) {
    await this.#rpc.call("flush", [], readOptions(options));
  }

  /**
   * Gives the space of a range back. What it reads as is undefined until it is
   * written again. Blocks that it covers in part stay as they are.
   * @param {number | bigint} offset
   * @param {number | bigint} length
   * @param {{signal?: AbortSignal}} [options]
   * @returns {Promise<void>} rejects with ENOTSUP unless features.trim
   */
  async trim(offset, length, options) {
    const { signal } = readOptions(options);
    const range = this.#range(offset, length);
    this.#mayWrite(range[0]);
    await this.#rpc.call("trim", range, { signal });
  }

  /**
   * Makes a range read as zeroes without sending them.
   * @param {number | bigint} offset
   * @param {number | bigint} length
   * @param {object} [options]
   * @param {boolean} [options.unmap] the server may give the space back; by
   *   default it stays allocated
   * @param {AbortSignal} [options.signal]
   * @returns {Promise<void>} rejects with ENOTSUP unless features.zero
   */
  async zero(offset, length, options) {
    const { signal, unmap = false } = zeroOptions(options);
    const range = this.#range(offset, length);
    this.#mayWrite(range[0]);
    await this.#rpc.call("zero", [...range, unmap], { signal });
  }

  /**
   * Asks the server to have a range at hand for a read to come.
   * @param {number | bigint} offset
   * @param {number | bigint} length
   * @param {{signal?: AbortSignal}} [options]
   * @returns {Promise<void>} rejects with ENOTSUP unless features.cache
   */
  async cache(offset, length, options) {
    const { signal } = readOptions(options);
    await this.#rpc.call("cache", this.#range(offset, length), { signal });
  }

  /**
   * Tells which parts of a range hold data. Where the server does not tell,
   * everything is data; so is what comes behind about a million extents.
   * @param {number | bigint} offset
   * @param {number | bigint} length
   * @param {{signal?: AbortSignal}} [options]
   * @returns {Promise<import("./extents.js").Extent[]>} in order, without gaps,
   *   from the first byte of the range to the last; none for an empty range
   */
  async blockStatus(offset, length, options) {
    const { signal } = readOptions(options);
    const [from, count] = this.#range(offset, length);
    return extentsOf((at, rest) => this.#rpc.call("blockStatus", [at, rest], { signal }), from, count);
  }

  /**
   * Reads like ArrayBuffer.prototype.slice: negative indexes count from the
   * end, and both are clamped to the disk.
   * @param {number} [start]
   * @param {number} [end]
   * @returns {Promise<ArrayBuffer>}
   */
  async slice(start = 0, end = this.size) {
    const from = clamp(start, this.size);
    const bytes = await this.read(from, Math.max(clamp(end, this.size) - from, 0));
    return bytes.buffer;
  }

  /**
   * Lets operations under way end, for some seconds, and closes the
   * connection. It does not flush. Operations after it reject with CLOSED; it
   * may be called again, and never rejects.
   * @returns {Promise<void>}
   */
  close() {
    this.#closeDone ??= this.#close();
    return this.#closeDone;
  }

  async #close() {
    this.#closing = true;
    const closed = new NbdError("CLOSED", `The disk "${this.exportName}" was closed. Open it again to go on.`);
    this.#rpc.call("close").catch(() => {}); // pending until the worker is done
    await this.#rpc.shutDown(closed, closeLimit);
    await this.closed;
  }

  /**
   * The worker answers what is pending with the same cause before it goes.
   * @param {NbdError} error
   */
  #lost(error) {
    if (this.#closing) return undefined;
    this.#rpc.shutDown(error, closeLimit);
    return error;
  }

  /** A read that is within the disk. @type {import("./many.js").Read} */
  #read = (offset, length, { signal }) => this.#rpc.call("read", [offset, length], { signal });

  /** @param {number} offset of what would be written */
  #mayWrite(offset) {
    if (!this.readOnly) return;
    throw new NbdError("READ_ONLY", `Export "${this.exportName}" is open read-only. Open it with readOnly: false, and export it writable.`, { offset });
  }

  /**
   * @param {number | bigint} offset
   * @param {number | bigint} length
   * @returns {[number, number]}
   */
  #range(offset, length) {
    const from = byteCount("offset", offset);
    const count = byteCount("length", length);
    if (from > this.size || count > this.size - from) {
      throw new NbdError("OUT_OF_RANGE", `${count} bytes at ${from} are beyond the end of "${this.exportName}", which has ${this.size} bytes.`, { offset: from, length: count });
    }
    return [from, count];
  }
}

if (Symbol.asyncDispose) {
  Object.defineProperty(Disk.prototype, Symbol.asyncDispose, {
    /** @this {Disk} */ value() { return this.close(); },
  });
}

/**
 * @param {any} bytes
 * @returns {Uint8Array}
 */
function viewOf(bytes) {
  if (ArrayBuffer.isView(bytes)) return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes instanceof ArrayBuffer) return new Uint8Array(bytes);
  throw invalid("write takes a Uint8Array, another view or an ArrayBuffer.");
}

/**
 * @param {number} index
 * @param {number} size
 */
function clamp(index, size) {
  const n = Math.trunc(index) || 0; // NaN counts as 0
  return n < 0 ? Math.max(n + size, 0) : Math.min(n, size);
}
