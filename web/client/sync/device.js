import { checkRange, viewOf } from "../checks.js";
import { NbdError } from "../errors.js";
import { byteCount } from "../options.js";

/** @typedef {import("../device.js").Bytes} Bytes */

/**
 * Where a SyncDevice gets it from. Ranges are within the device, and not empty.
 * @typedef {object} Channel
 * @property {{size: number, readOnly: boolean, blockSize: import("../device.js").BlockSize}} facts
 * @property {number} pieceSize most that it moves at once, in bytes
 * @property {(into: Uint8Array, offset: number) => void} read fills it
 * @property {(bytes: Uint8Array, offset: number) => void} write
 * @property {() => void} flush
 * @property {(offset: number, length: number) => void} trim
 * @property {() => void} close
 */

/**
 * A device whose calls wait. They throw an NbdError with the codes of the
 * device; beside these, TIMEOUT when no answer came in time. What timed out may
 * still happen; the next call is made as if nothing had been.
 */
export class SyncDevice {
  #channel;
  #closed = false;

  /** @param {Channel} channel */
  constructor(channel) {
    this.#channel = channel;
  }

  /** In bytes. */
  get size() { return this.#channel.facts.size; }
  get readOnly() { return this.#channel.facts.readOnly; }
  get blockSize() { return this.#channel.facts.blockSize; }

  /**
   * Fills a buffer, as far as the device goes.
   * @param {ArrayBufferView | ArrayBuffer} into may lie in shared memory
   * @param {Bytes} offset may be beyond the end
   * @returns {number} how many bytes were read: fewer than asked for at the end
   *   of the device alone, and 0 beyond it
   */
  readSync(into, offset) {
    const view = viewOf(into);
    const from = byteCount("offset", offset);
    this.#use();
    const length = Math.min(view.length, Math.max(this.size - from, 0));
    for (const piece of this.#pieces(view.subarray(0, length))) this.#channel.read(piece, from + piece.byteOffset - view.byteOffset);
    return length;
  }

  /**
   * Writes all of a buffer; of one that fails, a part may have been written.
   * @param {ArrayBufferView | ArrayBuffer} bytes may lie in shared memory
   * @param {Bytes} offset
   * @returns {number} how many bytes were written: all
   */
  writeSync(bytes, offset) {
    const view = viewOf(bytes);
    const [from, length] = this.#change(offset, view.length);
    for (const piece of this.#pieces(view)) this.#channel.write(piece, from + piece.byteOffset - view.byteOffset);
    return length;
  }

  /** Makes durable what was written. */
  flushSync() {
    this.#use();
    if (!this.readOnly) this.#channel.flush();
  }

  /**
   * Says that the content is of no use; it may then read as before, as zeros,
   * or a mix.
   * @param {Bytes} offset
   * @param {Bytes} length
   */
  trimSync(offset, length) {
    const [from, count] = this.#change(offset, length);
    if (count > 0) this.#channel.trim(from, count);
  }

  /** Ends this handle, and not the device. May be called again. */
  close() {
    if (!this.#closed) this.#channel.close();
    this.#closed = true;
  }

  /** @param {Bytes} offset @param {Bytes} length */
  #change(offset, length) {
    const range = checkRange(offset, length, this.size);
    this.#use();
    if (this.readOnly) throw new NbdError("READ_ONLY", "The device is read-only. Open its disk with readOnly: false and have the export writable, or put an overlay over it.", { offset: range[0] });
    return range;
  }

  #use() {
    if (this.#closed) throw new NbdError("CLOSED", "This handle was closed. Make a new one to go on.");
  }

  /** @param {Uint8Array} view */
  *#pieces(view) {
    const { pieceSize } = this.#channel;
    for (let at = 0; at < view.length; at += pieceSize) yield view.subarray(at, at + pieceSize);
  }
}
