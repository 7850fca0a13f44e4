import { crc32 } from "../storage/crc32.js";

// The file has one record for each slot of the file of lines, or zeros:
// which line is there, when it was used, and what its content must be.
//
//   0  line, as a float64     12  the first 16 bytes of its SHA-256
//   8  use, as a uint32       28  CRC-32 of all before
//
// A record is overwritten in place, so that nothing older can come back out of
// a damaged one. None crosses a sector.

const recordSize = 32;
const digestAt = 12;
const crcAt = 28;
export const digestSize = 16;

/** @typedef {import("../storage/file.js").StoreFile} StoreFile */

/** Which lines are in which slots of a file, kept in another. Its methods write before they return. */
export class LineIndex {
  #file;
  /** What the file holds. @type {Uint8Array<ArrayBuffer>} */ #image;
  #view;
  /** Slots of lines, the least recently used first. @type {Map<number, number>} */ #slots = new Map();
  /** @type {number[]} */ #free = [];
  /** Lines that stay. @type {ReadonlySet<number>} */ #pinned;
  #use = 0;
  #loadedUse = 0;
  #forgotten = 0;
  #flushed = 0;

  /**
   * @param {StoreFile} file
   * @param {Uint8Array<ArrayBuffer>} image
   * @param {ReadonlySet<number>} pinned
   */
  constructor(file, image, pinned) {
    this.#file = file;
    this.#image = image;
    this.#view = new DataView(image.buffer);
    this.#pinned = pinned;
  }

  /**
   * @param {StoreFile} file
   * @param {number} room slots
   * @param {number} lines that the device has
   * @param {ReadonlySet<number>} pinned lines that make no room for others
   */
  static async load(file, room, lines, pinned) {
    const image = new Uint8Array(room * recordSize);
    const size = await file.size();
    image.set(await file.read(0, Math.min(size, image.length)));
    if (size > image.length) await file.truncate(image.length);
    else if (size < image.length) await file.write(size, new Uint8Array(image.length - size)); // takes the room
    const index = new LineIndex(file, image, pinned);
    await index.#parse(lines);
    await index.flush();
    return index;
  }

  /** @param {number} lines */
  async #parse(lines) {
    /** @type {{line: number, slot: number, use: number}[]} */
    const records = [];
    for (let slot = this.#image.length / recordSize - 1; slot >= 0; slot--) {
      const record = this.#record(slot);
      const line = this.#view.getFloat64(slot * recordSize);
      const fits = this.#view.getUint32(slot * recordSize + crcAt) === crc32(record.subarray(0, crcAt)) && Number.isSafeInteger(line) && line >= 0 && line < lines;
      if (fits) records.push({ line, slot, use: this.#view.getUint32(slot * recordSize + 8) });
      else this.#free.push(slot);
      if (!fits && record.some(Boolean)) await this.#erase(slot);
    }
    for (const { line, slot, use } of records.sort((a, b) => a.use - b.use)) {
      if (this.#slots.has(line)) await this.forget(line); // the later one counts
      this.#slots.set(line, slot);
      this.#use = this.#loadedUse = use;
    }
  }

  /** @param {number} slot */
  #record(slot) { return this.#image.subarray(slot * recordSize, (slot + 1) * recordSize); }

  get count() { return this.#slots.size; }

  /** In no order. */
  lines() { return [...this.#slots.keys()]; }

  /** @param {number} line */
  has(line) { return this.#slots.has(line); }

  /**
   * Where a line is, and what it must be.
   * @param {number} line
   */
  find(line) {
    const slot = this.#slots.get(line);
    return slot === undefined ? undefined : { slot, digest: this.#record(slot).slice(digestAt, crcAt) };
  }

  /**
   * A line counts as used. The file learns it once after each load: that is
   * enough to know what is of no use any more.
   * @param {number} line
   */
  async touch(line) {
    const slot = this.#slots.get(line);
    if (slot === undefined) return;
    this.#slots.delete(line);
    this.#slots.set(line, slot);
    if (this.#view.getUint32(slot * recordSize + 8) <= this.#loadedUse) await this.#write(slot, line);
  }

  /**
   * A slot for a line that is to come: a free one, or that of the line that was
   * not used for longest.
   * @returns {Promise<number | undefined>}
   */
  async reserve() {
    const erased = this.#free.length === 0 ? this.#evict() : undefined;
    const slot = this.#free.pop();
    await erased;
    return slot;
  }

  async #evict() {
    for (const line of this.#slots.keys()) {
      if (!this.#pinned.has(line)) return this.forget(line);
    }
  }

  /** @param {number} slot that was reserved */
  release(slot) { this.#free.push(slot); }

  /**
   * Slots from here on are not used any more, unless they hold a line.
   * @param {number} end
   */
  limit(end) { this.#free = this.#free.filter((slot) => slot < end); }

  /**
   * @param {number} line
   * @param {number} slot that was reserved, and has its content
   * @param {Uint8Array} digest of the content
   */
  async put(line, slot, digest) {
    this.#slots.set(line, slot);
    this.#record(slot).set(digest, digestAt);
    await this.#write(slot, line);
  }

  /** @param {number} slot @param {number} line */
  #write(slot, line) {
    const at = slot * recordSize;
    this.#view.setFloat64(at, line);
    this.#view.setUint32(at + 8, ++this.#use);
    this.#view.setUint32(at + crcAt, crc32(this.#record(slot).subarray(0, crcAt)));
    return this.#file.write(at, this.#record(slot).slice());
  }

  /** It is durable after flush. @param {number} line */
  async forget(line) {
    const slot = this.#slots.get(line);
    if (slot === undefined) return;
    this.#slots.delete(line);
    this.#free.push(slot);
    await this.#erase(slot);
  }

  /** @param {number} slot */
  #erase(slot) {
    this.#forgotten++;
    this.#record(slot).fill(0);
    return this.#file.write(slot * recordSize, new Uint8Array(recordSize));
  }

  /** Whether a line that was forgotten may come back when the machine goes down. */
  get mayReturn() { return this.#flushed < this.#forgotten; }

  async flush() {
    const forgotten = this.#forgotten;
    await this.#file.flush();
    this.#flushed = Math.max(this.#flushed, forgotten);
  }
}
