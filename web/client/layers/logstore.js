import { NbdError } from "../errors.js";
import { guard } from "../lifecycle.js";
import { IndexLog } from "./indexlog.js";
import { recordLength } from "./indexrecord.js";
import { RunMap, gaps, nowhere } from "./runmap.js";
import { Slots } from "./slots.js";

/** @typedef {import("../storage/file.js").StoreFile} StoreFile */
/** @typedef {import("../storage/file.js").StoreFolder} StoreFolder */
/** @typedef {import("./overlay.js").OverlayStore} OverlayStore */
/** @typedef {import("./indexheader.js").Facts} Facts */
/** @typedef {import("./runmap.js").Run} Run */

/** The index is made anew when it is longer than this, in bytes, and than three times what is in use. */
const shortLog = 1 << 20;
/** How long after a write it is flushed by itself, in milliseconds. */
const restPeriod = 300;

/**
 * @typedef {object} LogOptions
 * @property {Facts} facts blockSize is that of a new store
 * @property {string} what the store, for messages
 * @property {number} [compactAt] what counts as a long index, in bytes
 * @property {number} [flushAfter] milliseconds; Infinity for not at all
 */

/**
 * A store in a folder. The file "data" is cut into slots of one block; the index
 * (indexlog.js) tells in which slot a block lies, or that it is zero. A write
 * goes to free slots, and counts when its blocks are in the index in memory. A
 * flush makes the data durable, and then one record with all that changed in
 * the index. So a crash leaves each block as it was at the last flush, or at one
 * that was under way; and when only the page ends, no less.
 *
 * Slots are used again as late as that needs: one that no record has named at
 * once, any other when the record after the one that frees it is durable. Even
 * if the last record gets lost, as one that is torn or damaged, the index that
 * is left has all its slots as they were.
 * @implements {OverlayStore}
 */
export class LogStore {
  #folder;
  #log;
  #data;
  #what;
  #compactAt;
  #flushAfter;
  #map = new RunMap();
  /** What the next record has to tell. */ #pending = new RunMap();
  /** Slots that no record names, by slot. */ #fresh = new RunMap();
  /** Slots that the next record frees. @type {Run[]} */ #retired = [];
  /** Slots that the last record freed. @type {Run[]} */ #held = [];
  #slots = new Slots();
  /** Bytes of the file "data" at most. */ #dataEnd = 0;
  /** Changes of the files are made one after the other. @type {Promise<unknown>} */ #queue = Promise.resolve();
  /** A flush that has not begun. @type {Promise<void> | undefined} */ #flushing;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #timer;
  #closed = false;
  /** Of a store that is loaded. @type {import("../lifecycle.js").Guard | undefined} */ #guard;

  /**
   * For openLogStore, which fills it.
   * @param {StoreFolder} folder
   * @param {IndexLog} log
   * @param {StoreFile} data
   * @param {LogOptions} options
   */
  constructor(folder, log, data, { what, compactAt = shortLog, flushAfter = restPeriod }) {
    const { size, blockSize, identity } = log.facts;
    /** @readonly */ this.size = size;
    /** @readonly */ this.blockSize = blockSize;
    /** @readonly */ this.identity = identity;
    this.#folder = folder;
    this.#log = log;
    this.#data = data;
    this.#what = what;
    this.#compactAt = compactAt;
    this.#flushAfter = flushAfter;
  }

  /** Reads what is there. */
  async load() {
    await this.#log.replay(this.#what, (runs) => {
      for (const { first, end, slot } of runs) this.#put(first, end, slot);
      this.#held = this.#retired;
      this.#begin();
    });
    const used = new RunMap();
    for (const { first, end, slot } of this.#map.within()) if (slot !== nowhere) used.set(slot, slot + end - first, nowhere);
    for (const { first, end } of this.#held) used.set(first, end, nowhere);
    this.#slots = Slots.around(used);
    this.#dataEnd = await this.#data.size();
    this.#guard = guard({ flush: () => this.flush() });
  }

  /**
   * @param {number} offset
   * @param {number} length
   * @returns {import("../ranges.js").Extent[]}
   */
  extents(offset, length) {
    const { blockSize } = this;
    return this.#map.within(...this.#range(offset, length)).map(({ first, end, slot }) => ({
      offset: first * blockSize,
      length: (end - first) * blockSize,
      type: slot === nowhere ? "zero" : "data",
    }));
  }

  /** @param {number} offset @param {number} length */
  async read(offset, length) {
    const { blockSize } = this;
    const parts = this.#map.within(...this.#range(offset, length)).map(({ first, end, slot }) => {
      const from = Math.max(first * blockSize, offset);
      const to = Math.min(end * blockSize, offset + length);
      return { at: from - offset, read: this.#data.read(slot * blockSize + (from - first * blockSize), to - from) };
    });
    const read = await Promise.all(parts.map((part) => part.read));
    if (read.length === 1) return read[0];
    const out = new Uint8Array(length);
    for (const [i, bytes] of read.entries()) out.set(bytes, parts[i].at);
    return out;
  }

  /** @param {number} offset @param {Uint8Array<ArrayBuffer>} bytes */
  async write(offset, bytes) {
    this.#log.check();
    const [first, end] = this.#range(offset, bytes.byteLength);
    const pieces = this.#slots.take(end - first);
    try {
      await this.#fill(pieces, bytes);
    } catch (error) {
      this.#free(pieces);
      throw error;
    }
    let at = first;
    for (const piece of pieces) {
      const next = at + piece.end - piece.first;
      this.#put(at, next, piece.first);
      at = next;
    }
    this.#changed();
  }

  /**
   * @param {{first: number, end: number}[]} pieces
   * @param {Uint8Array<ArrayBuffer>} bytes
   */
  async #fill(pieces, bytes) {
    const { blockSize } = this;
    let done = 0;
    const writes = pieces.map(({ first, end }) => {
      const from = done;
      done += (end - first) * blockSize;
      this.#dataEnd = Math.max(this.#dataEnd, end * blockSize);
      return this.#data.write(first * blockSize, pieces.length === 1 ? bytes : bytes.slice(from, done));
    });
    const failed = (await Promise.allSettled(writes)).find((result) => result.status === "rejected");
    if (failed) throw failed.reason;
  }

  /** @param {number} offset @param {number} length */
  async zero(offset, length) {
    this.#log.check();
    this.#put(...this.#range(offset, length), nowhere);
    this.#changed();
  }

  /** @param {number} first @param {number} end @param {number} slot */
  #put(first, end, slot) {
    this.#pending.set(first, end, slot);
    if (slot !== nowhere) this.#fresh.set(slot, slot + end - first, nowhere);
    for (const old of this.#map.set(first, end, slot)) if (old.slot !== nowhere) this.#drop(old.slot, old.slot + old.end - old.first);
  }

  /** Slots that hold no block any more. @param {number} first @param {number} end */
  #drop(first, end) {
    const fresh = this.#fresh.remove(first, end);
    this.#free(fresh);
    this.#retired.push(...gaps(fresh, first, end));
  }

  /** @param {{first: number, end: number}[]} slots */
  #free(slots) {
    for (const { first, end } of slots) this.#slots.free(first, end);
  }

  /** What changes from now on is for the next record. */
  #begin() {
    this.#pending = new RunMap();
    this.#fresh = new RunMap();
    this.#retired = [];
  }

  /** Guests that never flush lose little. */
  #changed() {
    if (this.#closed) return;
    this.#guard?.risk(true);
    if (this.#flushAfter === Infinity) return;
    this.#timer ??= setTimeout(() => this.#flushAlone(), this.#flushAfter);
  }

  /** Nobody is told of a failure: the next flush does. Room may be made without one. */
  async #flushAlone() {
    await this.flush().catch((error) => { if (error?.code === "ENOSPC") this.#changed(); });
  }

  /** @returns {Promise<void>} */
  flush() {
    this.#flushing ??= this.#inTurn(() => {
      this.#flushing = undefined;
      return this.#flush();
    });
    return this.#flushing;
  }

  async #flush() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#log.check();
    if (this.#pending.count === 0) return this.#guard?.risk(false);
    const taken = { pending: this.#pending, retired: this.#retired };
    const runs = taken.pending.within();
    const snapshot = this.#isLong(runs.length) ? this.#map.within() : undefined;
    this.#begin();
    try {
      await this.#data.flush();
      await this.#record(runs, snapshot);
    } catch (error) {
      this.#putBack(taken);
      throw error;
    }
    this.#free(this.#held);
    this.#held = taken.retired;
    if (snapshot) await this.#shrink();
    this.#guard?.risk(this.#pending.count > 0);
  }

  /** @param {number} count of runs to record */
  #isLong(count) {
    return this.#log.length + recordLength(count) > Math.max(this.#compactAt, 3 * recordLength(this.#map.count));
  }

  /** @param {Run[]} runs @param {Run[] | undefined} snapshot */
  async #record(runs, snapshot) {
    try {
      return await (snapshot ? this.#log.rewrite(snapshot) : this.#log.append(runs));
    } catch (/** @type {any} */ error) {
      if (!snapshot || error?.code !== "ENOSPC") throw error;
    }
    await this.#log.append(runs); // there is no room for both files
  }

  /** @param {{pending: RunMap, retired: Run[]}} taken by a flush that failed */
  #putBack({ pending, retired }) {
    for (const { first, end, slot } of this.#pending.within()) pending.set(first, end, slot);
    this.#pending = pending;
    this.#retired = [...retired, ...this.#retired];
  }

  /** Gives room behind the last slot back to the browser. */
  async #shrink() {
    const end = this.#slots.top * this.blockSize;
    if (end >= this.#dataEnd) return;
    this.#dataEnd = end;
    await this.#data.truncate(end).catch(() => {}); // it is used again
  }

  clear() {
    return this.replace(async () => {});
  }

  /**
   * @param {() => Promise<void>} task
   * @returns {Promise<void>}
   */
  replace(task) {
    return this.#inTurn(() => this.#replace(task));
  }

  /** @param {() => Promise<void>} task */
  async #replace(task) {
    this.#log.check();
    const before = { map: this.#map, pending: this.#pending, fresh: this.#fresh, retired: this.#retired };
    this.#begin();
    this.#map = new RunMap();
    try {
      await task();
      await this.#data.flush();
      await this.#log.rewrite(this.#map.within());
    } catch (error) {
      this.#freeAll(this.#map);
      this.#map = before.map;
      this.#pending = before.pending;
      this.#fresh = before.fresh;
      this.#retired = before.retired;
      throw error;
    }
    this.#begin();
    this.#freeAll(before.map);
    this.#free([...before.retired, ...this.#held]);
    this.#held = [];
    await this.#shrink();
    this.#guard?.risk(false);
  }

  /** @param {RunMap} map */
  #freeAll(map) {
    for (const { first, end, slot } of map.within()) if (slot !== nowhere) this.#slots.free(slot, slot + end - first);
  }

  /** Flushes, if that can be done, and gives the folder back. */
  async close() {
    this.#closed = true;
    try {
      await this.flush();
    } finally {
      clearTimeout(this.#timer);
      this.#guard?.end();
      await this.#folder.close();
    }
  }

  /**
   * @template T
   * @param {() => Promise<T>} task
   * @returns {Promise<T>}
   */
  #inTurn(task) {
    const done = this.#queue.then(task);
    this.#queue = done.catch(() => {});
    return done;
  }

  /**
   * @param {number} offset
   * @param {number} length
   * @returns {[number, number]} block indexes
   */
  #range(offset, length) {
    return [Math.floor(offset / this.blockSize), Math.ceil((offset + length) / this.blockSize)];
  }
}

/**
 * @param {StoreFolder} folder it is the store's, and closed if this fails
 * @param {LogOptions} options
 * @returns {Promise<LogStore>} rejects with IDENTITY for a device of another
 *   size or identity, EIO if what is there is damaged
 */
export async function openLogStore(folder, options) {
  try {
    const { facts, what } = options;
    const log = await IndexLog.open(folder, what, () => facts);
    compare(log.facts, facts, what);
    const store = new LogStore(folder, log, await folder.open("data"), options);
    await store.load();
    return store;
  } catch (error) {
    await folder.close();
    throw error;
  }
}

/** @param {Facts} was @param {Facts} is @param {string} what */
function compare(was, is, what) {
  const other = was.size !== is.size ? `one of ${was.size} bytes, and this one has ${is.size}`
    : was.identity !== undefined && is.identity !== undefined && was.identity !== is.identity ? `${was.identity}, and this one is ${is.identity}`
    : undefined;
  if (other) throw new NbdError("IDENTITY", `${what} was made for another device: ${other}. Use the device that it was made for, or another name.`);
}
