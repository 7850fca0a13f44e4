import { checkDevice, exactly } from "../checks.js";
import { Device } from "../device.js";
import { invalid } from "../errors.js";
import { byteCount, check } from "../options.js";
import { scoped, unlessAborted } from "../signals.js";
import { Lines } from "./lines.js";
import { RangeLock } from "./rangelock.js";
import { ReadAhead } from "./readahead.js";
import { through } from "./region.js";

/** @typedef {import("../device.js").BlockDevice} BlockDevice */
/** @typedef {import("../device.js").Bytes} Bytes */

/**
 * @typedef {object} CacheOptions
 * @property {Bytes} [size] bytes to hold in memory; default 64 MiB. Reads under
 *   way take memory besides
 * @property {Bytes} [lineSize] bytes that are fetched and held as one, a
 *   multiple of 512; default 256 KiB
 * @property {Bytes} [readAhead] how far to be ahead of a sequential reader, in
 *   bytes, at most half of size; default 1 MiB, 0 for not at all
 */

const anything = () => true; // byteCount checks it

/**
 * Holds in memory what was read, by lines, and drops the least recently used.
 * Readers of one line share one read. Writes go through: they fulfil when the
 * device has answered. It can't know of changes that others make.
 * @param {BlockDevice} device
 * @param {CacheOptions} [options]
 * @returns {Device} read-only if the device is
 */
export function withCache(device, options = {}) {
  return new Device(cacheDriver(checkDevice(device), options));
}

/**
 * For layers that are a cache and something else.
 * @param {BlockDevice} device
 * @param {CacheOptions} options
 * @returns {import("../device.js").Driver}
 */
export function cacheDriver(device, options) {
  const cache = new Cache(device, checkOptions(options));
  const { readMany, ...below } = through(device, 0, device.size);
  return {
    ...below,
    read: (offset, length, { signal }) => cache.read(offset, length, signal),
    close: () => cache.close(),
    ...(!device.readOnly && {
      write: (offset, bytes, o) => cache.write(offset, bytes, o),
      trim: (offset, length, o) => cache.trim(offset, length, o.signal),
      zero: (offset, length, o) => cache.zero(offset, length, o),
    }),
  };
}

/** @param {CacheOptions} options */
function checkOptions(options) {
  const given = check(options, { size: anything, lineSize: anything, readAhead: anything });
  const lineSize = byteCount("lineSize", given.lineSize ?? 256 << 10);
  const size = byteCount("size", given.size ?? 64 << 20);
  if (lineSize === 0 || lineSize % 512 !== 0) throw invalid(`Option lineSize is ${lineSize}: want a multiple of 512.`);
  if (size < lineSize) throw invalid(`Option size is ${size}: want at least one line of ${lineSize} bytes.`);
  const readAhead = Math.min(byteCount("readAhead", given.readAhead ?? 1 << 20), size / 2);
  return { lineSize, room: Math.floor(size / lineSize), readAhead };
}

/** @typedef {import("./lines.js").Fetch} Fetch */

/** A part of a read, and the fetch that brings it; none: it is read by itself. @typedef {{from: number, to: number, fetch?: Fetch}} Part */

class Cache {
  #device;
  #lineSize;
  #lines;
  #ahead;
  #lock = new RangeLock();
  /** Ranges whose content is in doubt. @type {Set<{from: number, to: number}>} */ #changes = new Set();

  /**
   * @param {BlockDevice} device
   * @param {{lineSize: number, room: number, readAhead: number}} options
   */
  constructor(device, { lineSize, room, readAhead }) {
    this.#device = device;
    this.#lineSize = lineSize;
    this.#lines = new Lines(device, lineSize, room);
    this.#ahead = new ReadAhead(readAhead, device.size);
    device.closed.then(() => this.#lines.clear());
  }

  /**
   * @param {number} offset
   * @param {number} length
   * @param {AbortSignal} [signal]
   */
  async read(offset, length, signal) {
    const out = new Uint8Array(length);
    const parts = this.#gather(offset, offset + length, out);
    this.#lookAhead(offset, length);
    if (parts.length === 0) return out;
    const fetches = parts.flatMap(({ fetch }) => fetch ?? []);
    for (const fetch of fetches) this.#lines.join(fetch);
    try {
      await scoped(signal, (scope) => unlessAborted(this.#await(parts, offset, out, scope), scope));
    } finally {
      for (const fetch of fetches) this.#lines.leave(fetch);
    }
    return out;
  }

  /**
   * @param {Part[]} parts
   * @param {number} offset where out begins
   * @param {Uint8Array} out
   * @param {AbortSignal} signal
   */
  async #await(parts, offset, out, signal) {
    await Promise.all(parts.map(async (part) => out.set(await this.#get(part, signal), part.from - offset)));
  }

  /**
   * Copies what is held, and begins to fetch what is missing.
   * @param {number} from
   * @param {number} to
   * @param {Uint8Array} out
   * @returns {Part[]} what is to come
   */
  #gather(from, to, out) {
    /** @type {Part[]} */
    const parts = [];
    this.#fetchMissing(from, to, false);
    for (let at = from; at < to;) {
      const index = Math.floor(at / this.#lineSize);
      const start = index * this.#lineSize;
      const end = Math.min(start + this.#lineSize, to);
      const line = this.#lines.use(index);
      if (line && "bytes" in line) out.set(line.bytes.subarray(at - start, end - start), at - from);
      else addPart(parts, { from: at, to: end, fetch: line?.fetch });
      at = end;
    }
    return parts;
  }

  /** @param {number} from @param {number} to @param {boolean} ahead */
  #fetchMissing(from, to, ahead) {
    const end = Math.ceil(to / this.#lineSize);
    let first = Math.floor(from / this.#lineSize); // of the missing lines up to i
    for (let i = first; i <= end; i++) {
      if (i < end && !this.#lines.has(i) && !this.#inDoubt(i)) continue;
      if (first < i) this.#lines.fetch(first, i, ahead);
      first = i + 1;
    }
  }

  /**
   * What is read of a line while it is changed can't be held: nobody knows on
   * which side of the change it was read.
   * @param {number} index
   */
  #inDoubt(index) {
    const start = index * this.#lineSize;
    for (const { from, to } of this.#changes) {
      if (from < start + this.#lineSize && start < to) return true;
    }
    return false;
  }

  /** @param {number} offset @param {number} length */
  #lookAhead(offset, length) {
    const range = this.#ahead.next(offset, length);
    if (range) this.#fetchMissing(range[0], range[1], true);
  }

  /** @param {Part} part @param {AbortSignal} signal */
  async #get({ from, to, fetch }, signal) {
    if (fetch) return this.#lines.take(fetch, from, to, signal);
    return exactly(await this.#device.read(from, to - from, { signal }), to - from);
  }

  /**
   * @param {number} offset
   * @param {Uint8Array<ArrayBuffer>} bytes
   * @param {{signal?: AbortSignal, fua: boolean}} options
   */
  write(offset, bytes, { signal, fua }) {
    const to = offset + bytes.byteLength;
    return this.#change(offset, to, signal, async () => {
      const transfer = this.#lines.held(offset, to).next().done; // nothing is to be updated
      await this.#device.write(offset, bytes, { fua, transfer });
      return () => {
        for (const { at, part } of this.#lines.held(offset, to)) part.set(bytes.subarray(at - offset, at - offset + part.byteLength));
      };
    });
  }

  /**
   * @param {number} offset
   * @param {number} length
   * @param {{signal?: AbortSignal, unmap: boolean}} options
   */
  zero(offset, length, { signal, unmap }) {
    return this.#change(offset, offset + length, signal, async () => {
      await this.#device.zero(offset, length, { unmap });
      return () => {
        for (const { part } of this.#lines.held(offset, offset + length)) part.fill(0);
      };
    });
  }

  /** @param {number} offset @param {number} length @param {AbortSignal} [signal] */
  trim(offset, length, signal) {
    return this.#change(offset, offset + length, signal, async () => {
      await this.#device.trim(offset, length);
      return () => this.#lines.forget(offset, offset + length, "all");
    });
  }

  /**
   * Changes the device, then the lines. Changes that overlap go one after the
   * other, so that both end with the same content. Once the device was asked,
   * an abort ends only the waiting: the lines need the answer.
   * @param {number} from
   * @param {number} to
   * @param {AbortSignal | undefined} signal
   * @param {() => Promise<() => void>} apply resolves to what changes the lines
   */
  #change(from, to, signal, apply) {
    const done = this.#lock.with(from, to, true, signal, async () => {
      const change = { from, to };
      this.#changes.add(change);
      this.#lines.forget(from, to, "fetched");
      try {
        (await apply())();
      } catch (error) {
        this.#lines.forget(from, to, "all");
        throw error;
      } finally {
        this.#changes.delete(change);
      }
    });
    return unlessAborted(done, signal);
  }

  /** Changes that were aborted go on; closing the device waits for them. */
  async close() {
    this.#lines.clear();
    await this.#device.close();
  }
}

/** @param {Part[]} parts @param {Part} part */
function addPart(parts, part) {
  const last = parts.at(-1);
  if (last && last.fetch === part.fetch && last.to === part.from) last.to = part.to;
  else parts.push(part);
}
