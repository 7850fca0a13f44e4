import { exactly } from "../checks.js";

/** The most that one read asks for when neighbouring lines are missing, in bytes. */
const mergeLimit = 4 << 20;

/** Why a fetch is aborted: nobody sees it. */
const unwanted = new Error("Nobody waits for it.");

/**
 * One read of the device that fills neighbouring lines.
 * @typedef {object} Fetch
 * @property {number} from
 * @property {number} to
 * @property {Promise<Uint8Array<ArrayBuffer>>} bytes
 * @property {number} waiters
 * @property {boolean} ahead nobody asked for it: it goes on without waiters
 * @property {() => void} abort
 */

/**
 * A line is being fetched, or held.
 * @typedef {{fetch: Fetch} | {bytes: Uint8Array<ArrayBuffer>}} Line
 */

/**
 * The lines of a device that are held, the least recently used first, and those
 * that are being fetched. What a fetch brings is held only if its lines are
 * still the ones that it was for: forgetting a line is all that a change needs.
 */
export class Lines {
  #device;
  #lineSize;
  #room;
  /** @type {Map<number, Line>} */ #lines = new Map();
  #held = 0;
  /** @type {Set<Fetch>} */ #fetches = new Set();

  /**
   * @param {import("../device.js").BlockDevice} device
   * @param {number} lineSize
   * @param {number} room number of lines
   */
  constructor(device, lineSize, room) {
    this.#device = device;
    this.#lineSize = lineSize;
    this.#room = room;
  }

  /**
   * The line at an index; it counts as used.
   * @param {number} index
   */
  use(index) {
    const line = this.#lines.get(index);
    if (line) this.#lines.delete(index), this.#lines.set(index, line);
    return line;
  }

  /** @param {number} index */
  has(index) { return this.#lines.has(index); }

  /**
   * Begins to fetch neighbouring lines of which there is none yet.
   * @param {number} first
   * @param {number} end exclusive
   * @param {boolean} ahead
   */
  fetch(first, end, ahead) {
    const step = Math.max(Math.floor(mergeLimit / this.#lineSize), 1);
    for (let i = first; i < end; i += step) this.#fetch(i, Math.min(i + step, end), ahead);
  }

  /** @param {number} first @param {number} end @param {boolean} ahead */
  #fetch(first, end, ahead) {
    const from = first * this.#lineSize;
    const to = Math.min(end * this.#lineSize, this.#device.size);
    const controller = new AbortController();
    const bytes = this.#device.read(from, to - from, { signal: controller.signal }).then((b) => exactly(b, to - from));
    /** @type {Fetch} */
    const fetch = { from, to, bytes, ahead, waiters: 0, abort: () => controller.abort(unwanted) };
    const line = { fetch };
    for (let i = first; i < end; i++) this.#lines.set(i, line);
    this.#fetches.add(fetch);
    bytes.then((b) => this.#hold(first, end, line, b), () => this.#giveUp(first, end, line))
      .finally(() => this.#fetches.delete(fetch));
  }

  /**
   * @param {number} first
   * @param {number} end
   * @param {Line} line
   * @param {Uint8Array<ArrayBuffer>} bytes
   */
  #hold(first, end, line, bytes) {
    for (let i = first; i < end; i++) {
      if (this.#lines.get(i) !== line) continue;
      const start = (i - first) * this.#lineSize;
      // A copy, or one line would keep the memory of its neighbours.
      this.#lines.set(i, { bytes: end - first === 1 ? bytes : bytes.slice(start, start + this.#lineSize) });
      this.#held++;
    }
    this.#evict();
  }

  /** @param {number} first @param {number} end @param {Line} line */
  #giveUp(first, end, line) {
    for (let i = first; i < end; i++) {
      if (this.#lines.get(i) === line) this.#lines.delete(i);
    }
  }

  #evict() {
    for (const [i, line] of this.#lines) {
      if (this.#held <= this.#room) return;
      if ("bytes" in line) this.#lines.delete(i), this.#held--;
    }
  }

  /**
   * A part of what a fetch brings; between join and leave. A fetch that fails
   * may have failed in a part that is of no interest here, so that this part is
   * read by itself.
   * @param {Fetch} fetch
   * @param {number} from
   * @param {number} to
   * @param {AbortSignal} signal
   * @returns {Promise<Uint8Array>}
   */
  async take(fetch, from, to, signal) {
    try {
      return (await fetch.bytes).subarray(from - fetch.from, to - fetch.from);
    } catch (error) {
      if (signal.aborted || (from === fetch.from && to === fetch.to)) throw error;
      return exactly(await this.#device.read(from, to - from, { signal }), to - from);
    }
  }

  /** @param {Fetch} fetch */
  join(fetch) { fetch.waiters++; }

  /**
   * A fetch that all have left before its end is aborted.
   * @param {Fetch} fetch
   */
  leave(fetch) {
    if (--fetch.waiters === 0 && !fetch.ahead) this.#abandon(fetch);
  }

  /** @param {Fetch} fetch */
  #abandon(fetch) {
    if (!this.#fetches.has(fetch)) return;
    const first = Math.floor(fetch.from / this.#lineSize);
    for (let i = first; i * this.#lineSize < fetch.to; i++) {
      const line = this.#lines.get(i);
      if (line && "fetch" in line && line.fetch === fetch) this.#lines.delete(i);
    }
    fetch.abort();
  }

  /**
   * Held lines within a range, with the part of each that is in it.
   * @param {number} from
   * @param {number} to
   * @returns {Generator<{part: Uint8Array, at: number}>} at: where the part begins in the device
   */
  *held(from, to) {
    for (const i of this.#within(from, to)) {
      const line = this.#lines.get(i);
      if (!line || !("bytes" in line)) continue;
      const start = i * this.#lineSize;
      const at = Math.max(from, start);
      yield { at, part: line.bytes.subarray(at - start, to - start) };
    }
  }

  /**
   * @param {number} from
   * @param {number} to
   * @param {"all" | "fetched"} which "fetched": only those not yet held
   */
  forget(from, to, which) {
    for (const i of [...this.#within(from, to)]) {
      const line = this.#lines.get(i);
      if (!line || (which === "fetched" && "bytes" in line)) continue;
      this.#lines.delete(i);
      if ("bytes" in line) this.#held--;
    }
  }

  /** Frees the memory, and ends fetches that nobody waits for. */
  clear() {
    this.#lines.clear();
    this.#held = 0;
    for (const fetch of this.#fetches) if (fetch.waiters === 0) fetch.abort();
  }

  /**
   * Indexes of lines that there are in a range: by the shorter way, as a range
   * can have more lines than memory.
   * @param {number} from
   * @param {number} to
   */
  *#within(from, to) {
    const first = Math.floor(from / this.#lineSize);
    const end = Math.ceil(to / this.#lineSize);
    if (end - first > this.#lines.size) {
      for (const i of this.#lines.keys()) if (i >= first && i < end) yield i;
    } else {
      for (let i = first; i < end; i++) if (this.#lines.has(i)) yield i;
    }
  }
}
