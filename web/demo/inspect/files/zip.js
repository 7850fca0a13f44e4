// A zip archive as it is written: APPNOTE.TXT of PKWARE, with ZIP64, names in
// UTF-8, nothing compressed. Sizes and checksums follow each file, since nobody
// knows them before.
import { crc32 } from "../../../client/storage/crc32.js";

/** Bits of an entry: sizes follow the content; names are UTF-8. */
const follows = 1 << 3, utf8 = 1 << 11;
/** What can be unpacked by those who know ZIP64. */
const version = 45;
const tooLarge = 0xffffffff;

/**
 * @typedef {object} Item
 * @property {string} name its path in the archive, with "/", at its end for a folder
 * @property {Date} [modified]
 * @property {AsyncIterable<Uint8Array<ArrayBuffer>>} [content] none for a folder
 */

/** @typedef {{name: Uint8Array, time: number, at: number, crc: number, size: number}} Written */

/**
 * @param {AsyncIterable<Item>} items one after the other
 * @returns {AsyncGenerator<Uint8Array<ArrayBuffer>>}
 */
export async function* zip(items) {
  /** @type {Written[]} */ const all = [];
  let at = 0;
  for await (const { name, modified, content } of items) {
    const entry = { name: new TextEncoder().encode(name), time: dosTime(modified ?? new Date(0)), at, crc: 0, size: 0 };
    const head = localHeader(entry);
    yield head;
    for await (const bytes of content ?? []) {
      entry.crc = crc32(bytes, entry.crc);
      entry.size += bytes.length;
      yield bytes;
    }
    const tail = descriptor(entry);
    yield tail;
    at += head.length + entry.size + tail.length;
    all.push(entry);
  }
  yield* directory(all, at);
}

/** @param {Written[]} all @param {number} start */
function* directory(all, start) {
  let end = start;
  for (const entry of all) {
    const header = centralHeader(entry);
    end += header.length;
    yield header;
  }
  yield endOf(all.length, start, end);
}

/** Fields one after the other, little-endian. */
class Fields {
  #bytes;
  #view;
  #at = 0;

  /** @param {number} length */
  constructor(length) {
    this.#bytes = new Uint8Array(length);
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** @param {...number} values */
  u16(...values) {
    for (const v of values) this.#view.setUint16((this.#at += 2) - 2, v, true);
    return this;
  }

  /** @param {...number} values */
  u32(...values) {
    for (const v of values) this.#view.setUint32((this.#at += 4) - 4, v, true);
    return this;
  }

  /** @param {...number} values */
  u64(...values) {
    for (const v of values) this.#view.setBigUint64((this.#at += 8) - 8, BigInt(v), true);
    return this;
  }

  /** @param {Uint8Array} bytes */
  put(bytes) {
    this.#bytes.set(bytes, this.#at);
    this.#at += bytes.length;
    return this;
  }

  get done() {
    return this.#bytes;
  }
}

/** Its ZIP64 field says that the sizes that follow have 8 bytes. @param {Written} entry */
function localHeader({ name, time }) {
  return new Fields(30 + name.length + 20).u32(0x04034b50).u16(version, follows | utf8, 0).u32(time, 0, tooLarge, tooLarge)
    .u16(name.length, 20).put(name).u16(1, 16).u64(0, 0).done;
}

/** @param {Written} entry */
function descriptor({ crc, size }) {
  return new Fields(24).u32(0x08074b50, crc).u64(size, size).done;
}

/** @param {Written} entry */
function centralHeader({ name, time, crc, size, at }) {
  return new Fields(46 + name.length + 28).u32(0x02014b50).u16(version, version, follows | utf8, 0).u32(time, crc, tooLarge, tooLarge)
    .u16(name.length, 28, 0, 0, 0).u32(0, tooLarge).put(name).u16(1, 24).u64(size, size, at).done;
}

/** @param {number} count @param {number} start @param {number} end */
function endOf(count, start, end) {
  return new Fields(56 + 20 + 22)
    .u32(0x06064b50).u64(44).u16(version, version).u32(0, 0).u64(count, count, end - start, start)
    .u32(0x07064b50, 0).u64(end).u32(1)
    .u32(0x06054b50).u16(0, 0, 0xffff, 0xffff).u32(tooLarge, tooLarge).u16(0).done;
}

/** Days from 1980 to 2107, in steps of two seconds. @param {Date} date */
function dosTime(date) {
  const year = Math.min(Math.max(date.getUTCFullYear(), 1980), 2107);
  const day = (year - 1980) << 9 | (date.getUTCMonth() + 1) << 5 | date.getUTCDate();
  return (day << 16 | date.getUTCHours() << 11 | date.getUTCMinutes() << 5 | date.getUTCSeconds() >> 1) >>> 0;
}
