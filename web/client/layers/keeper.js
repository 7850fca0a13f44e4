import { exactly } from "../checks.js";
import { mapBounded, unlessAborted } from "../signals.js";

/** @typedef {import("../device.js").BlockDevice} BlockDevice */
/** @typedef {import("./filelines.js").FileLines} FileLines */

/** Bytes that wait to be put into the file; what is read beyond them is not put there. */
const backlog = 16 << 20;
/** Parts of one read that are under way at once. */
const partsAtOnce = 8;

/** A part of a read: one line that is held, or what is between those. @typedef {{from: number, to: number, line?: number}} Part */

/** A read of the device, of which nothing is kept once it is in doubt. @typedef {{from: number, to: number, doubtful: boolean}} Reading */

/**
 * What a device without its store needs: to close it, and to say, where it
 * can't be changed any more, that what it holds is of no use.
 * @typedef {object} Store
 * @property {FileLines} [lines] none: somebody else owns it, or there is none
 * @property {import("./unsettled.js").Unsettled} [unsettled] of the lines
 * @property {() => Promise<void>} spoil durably, or it rejects
 * @property {() => Promise<void>} close
 */

/**
 * Reads a device through lines in a file, and has them forgotten before they
 * are changed. It is the beneath of a cache in memory, which merges reads and
 * shares them. Once the file fails, everything goes on without it.
 */
export class Keeper {
  #device;
  #lineSize;
  #store;
  #lines;
  /** @type {Set<Reading>} */ #readings = new Set();
  /** Ranges that are being changed. @type {Set<{from: number, to: number}>} */ #changes = new Set();
  /** @type {Set<Promise<void>>} */ #puts = new Set();
  #waiting = 0;
  #hits = 0;
  #misses = 0;
  /** @type {Promise<void> | undefined} */ #closeDone;

  /**
   * @param {BlockDevice} device
   * @param {number} lineSize
   * @param {Store} store
   */
  constructor(device, lineSize, store) {
    this.#device = device;
    this.#lineSize = lineSize;
    this.#store = store;
    this.#lines = store.lines;
    device.closed.then(() => this.#closeStore());
  }

  get persistent() { return this.#lines !== undefined; }

  /** Of this opening, in lines; held in bytes. */
  stats() { return { hits: this.#hits, misses: this.#misses, held: this.#lines?.held ?? 0 }; }

  /**
   * @param {number} offset
   * @param {number} length
   * @param {AbortSignal} [signal]
   */
  async read(offset, length, signal) {
    const out = new Uint8Array(length);
    await mapBounded(this.#parts(offset, offset + length), partsAtOnce, signal, async (part, scope) => {
      const bytes = await this.#fromFile(part, scope) ?? await this.#fromDevice(part, scope);
      out.set(bytes, part.from - offset);
    });
    return out;
  }

  /** @param {number} from @param {number} to */
  #parts(from, to) {
    /** @type {Part[]} */
    const parts = [];
    for (let at = from; at < to;) {
      const line = Math.floor(at / this.#lineSize);
      const end = Math.min((line + 1) * this.#lineSize, to);
      const last = parts.at(-1);
      if (this.#lines?.has(line)) parts.push({ from: at, to: end, line });
      else if (last && last.line === undefined) last.to = end;
      else parts.push({ from: at, to: end });
      at = end;
    }
    return parts;
  }

  /** @param {Part} part @param {AbortSignal} signal */
  async #fromFile({ from, to, line }, signal) {
    const lines = this.#lines;
    if (line === undefined || !lines) return undefined;
    const work = Promise.all([lines.read(line), lines.touch(line)]).catch((error) => this.#fail(error));
    const [bytes] = await unlessAborted(work, signal) ?? [];
    if (!bytes) return undefined;
    this.#hits++;
    const [start] = lines.range(line);
    return bytes.subarray(from - start, to - start);
  }

  /** @param {Part} part @param {AbortSignal} signal */
  async #fromDevice({ from, to }, signal) {
    const doubtful = this.#store.unsettled?.check() || [...this.#changes].some((change) => overlap(change, from, to));
    const reading = { from, to, doubtful };
    this.#readings.add(reading);
    /** @type {Promise<void>[]} */ let puts = [];
    try {
      const bytes = exactly(await this.#device.read(from, to - from, { signal }), to - from);
      this.#misses += Math.ceil(to / this.#lineSize) - Math.floor(from / this.#lineSize);
      puts = this.#keep(reading, bytes);
      return bytes;
    } finally {
      Promise.all(puts).then(() => this.#readings.delete(reading));
    }
  }

  /**
   * Begins to put the whole lines of what was read into the file.
   * @param {Reading} reading
   * @param {Uint8Array<ArrayBuffer>} bytes
   */
  #keep(reading, bytes) {
    const puts = [];
    for (let line = Math.ceil(reading.from / this.#lineSize); this.#lines && this.#waiting < backlog; line++) {
      const [from, to] = this.#lines.range(line);
      if (to > reading.to || from >= to) break;
      puts.push(this.#put(this.#lines, line, bytes.slice(from - reading.from, to - reading.from), reading));
    }
    return puts;
  }

  /**
   * @param {FileLines} lines
   * @param {number} line
   * @param {Uint8Array<ArrayBuffer>} bytes
   * @param {Reading} reading
   * @returns {Promise<void>} never rejects
   */
  #put(lines, line, bytes, reading) {
    const { length } = bytes;
    this.#waiting += length;
    const put = lines.put(line, bytes, () => reading.doubtful).catch((error) => { this.#fail(error); }).finally(() => {
      this.#waiting -= length;
      this.#puts.delete(put);
    });
    this.#puts.add(put);
    return put;
  }

  /**
   * Nobody may find a line of old content, in this page or a later one: lines
   * are forgotten before the device is asked, and not put again meanwhile.
   * @param {number} from
   * @param {number} to
   * @param {() => Promise<void>} apply
   */
  async change(from, to, apply) {
    const change = { from, to };
    let done = false;
    this.#changes.add(change);
    for (const reading of this.#readings) if (overlap(reading, from, to)) reading.doubtful = true;
    try {
      await this.#forget(from, to);
      await apply();
      done = true;
    } finally {
      this.#changes.delete(change);
      this.#store.unsettled?.end(done);
      // Another page may have read the old content since, and own the store.
      if (!this.#lines) await this.#store.spoil();
    }
  }

  /** @param {number} from @param {number} to */
  async #forget(from, to) {
    await Promise.all([this.#store.unsettled?.begin(), this.#lines?.forget(from, to)]).catch((error) => this.#fail(error));
    if (!this.#lines) await this.#store.spoil();
  }

  /**
   * Goes on without the file.
   * @param {unknown} error of no use to anybody: nothing failed but the cache
   */
  #fail(error) {
    this.#lines = undefined;
    this.#store.close();
  }

  #closeStore() {
    this.#closeDone ??= this.#finish();
    return this.#closeDone;
  }

  async #finish() {
    await Promise.all(this.#puts);
    const lines = this.#lines;
    this.#lines = undefined;
    await this.#store.unsettled?.close();
    await lines?.flush().catch(() => {}); // lines are checked when they are read
    await this.#store.close();
  }

  /** Changes under way need the store to the end. */
  async close() {
    await this.#device.close();
    await this.#closeStore();
  }
}

/** @param {{from: number, to: number}} range @param {number} from @param {number} to */
function overlap(range, from, to) { return range.from < to && from < range.to; }
