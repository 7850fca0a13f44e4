import { exactly } from "../checks.js";
import { NbdError } from "../errors.js";
import { clip } from "../ranges.js";
import { mapBounded } from "../signals.js";
import { ExportSource } from "./exportstream.js";
import { decode, encode } from "./overlayfile.js";
import { RangeLock } from "./rangelock.js";

/** @typedef {import("../device.js").BlockDevice} BlockDevice */
/** @typedef {import("../ranges.js").Extent} Extent */
/** @typedef {import("./overlay.js").OverlayStore} OverlayStore */
/** @typedef {import("./overlayfile.js").Change} Change */
/** @typedef {{offset: number, length: number, type: "base" | "data" | "zero"}} Part */

/** Bytes that commit reads from the store at once. */
const commitChunk = 1 << 20;
/** Reads or writes of one operation that are under way at once. */
const partsAtOnce = 4;

/** The blocks of an overlay: what is the store's, and what the device's. */
export class Blocks {
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
    const [from, to] = this.#whole(offset, offset + length);
    await this.#lock.with(from, to, true, signal, () => this.#putZeros(offset, length, signal));
  }

  /**
   * The caller holds the lock.
   * @param {number} offset
   * @param {number} length
   * @param {AbortSignal} [signal]
   */
  async #putZeros(offset, length, signal) {
    const end = offset + length;
    const [first, last] = this.#inner(offset, end);
    if (first >= last) return this.#put(offset, new Uint8Array(length), signal);
    if (offset < first) await this.#put(offset, new Uint8Array(first - offset), signal);
    await this.#store.zero(first, last - first);
    if (last < end) await this.#put(last, new Uint8Array(end - last), signal);
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
      await this.#flushDevice(signal);
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

  /** Where the device has no flush, nothing more can be done. @param {AbortSignal} [signal] */
  async #flushDevice(signal) {
    try {
      await this.#device.flush({ signal });
    } catch (/** @type {any} */ error) {
      if (error?.code !== "ENOTSUP") throw error;
    }
  }

  /** @param {AbortSignal} [signal] */
  reset(signal) {
    return this.#lock.with(0, this.#device.size, true, signal, () => this.#store.clear());
  }

  /** What a file is held to. */
  get #origin() {
    return { size: this.#device.size, identity: this.#device.identity ?? this.#store.identity };
  }

  /**
   * Ends when the stream does.
   * @param {AbortSignal | undefined} signal
   * @param {(stream: ReadableStream<Uint8Array<ArrayBuffer>>) => void} begun
   */
  export(signal, begun) {
    return this.#lock.with(0, this.#device.size, false, signal, () => {
      const chunks = encode(this.#origin, this.dirty(), async (offset, length) => exactly(await this.#store.read(offset, length), length));
      const source = new ExportSource(chunks, signal);
      begun(new ReadableStream(source, { highWaterMark: 0 }));
      return source.over;
    });
  }

  /** @param {Blob} file @param {AbortSignal} [signal] */
  async import(file, signal) {
    for await (const _ of decode(file, this.#origin)) signal?.throwIfAborted();
    await this.replace(decode(file, this.#origin), signal);
  }

  /**
   * Puts changes in the place of those that are here: all of them, or none.
   * @param {AsyncIterable<Change> | Iterable<Change>} changes
   * @param {AbortSignal} [signal]
   */
  async replace(changes, signal) {
    await this.#lock.with(0, this.#device.size, true, signal, () => this.#store.replace(async () => {
      for await (const { offset, length, bytes } of changes) {
        signal?.throwIfAborted();
        await (bytes ? this.#put(offset, bytes, signal) : this.#putZeros(offset, length, signal));
      }
    }));
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
