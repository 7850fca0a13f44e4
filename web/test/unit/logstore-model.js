import assert from "node:assert/strict";
import { openLogStore } from "../../client/layers/logstore.js";

/** @typedef {import("./random.js").Random} Random */
/** @typedef {import("../../client/layers/logstore.js").LogStore} LogStore */

export const blockSize = 512;
export const blocks = 64;
const size = blocks * blockSize - 100; // the last block is not whole

/** What a block can be beside the number that fills it. */
const base = -1, zero = 0;

/** @param {number} first @param {number} end */
function span(first, end) {
  const offset = first * blockSize;
  return /** @type {[number, number]} */ ([offset, Math.min(end * blockSize, size) - offset]);
}

/** @param {import("./fake-folder.js").FakeDisk} disk @param {Partial<import("../../client/layers/logstore.js").LogOptions>} [options] */
export function openStore(disk, options) {
  return openLogStore(disk.folder(), { facts: { size, blockSize, identity: "a device" }, what: "The test", compactAt: 8192, flushAfter: Infinity, ...options });
}

/**
 * A store under test, and what it may hold: by block, the value of the last
 * flush and all later ones. While everything is replaced there are two worlds.
 */
export class Tested {
  /** @type {number[]} */ now = new Array(blocks).fill(base);
  /** @type {{value: number, at: number}[][][]} */ worlds = [];
  clock = 0;
  busy = new Set();
  stamp = 0;

  /** @param {LogStore} store @param {Random} random */
  constructor(store, random) {
    this.store = store;
    this.random = random;
    this.#certain();
  }

  #certain() {
    this.worlds = [this.now.map((value) => [{ value, at: this.clock }])];
  }

  /** A range that nothing is under way in, as an overlay sees to. @param {number} most */
  #range(most) {
    const first = this.random.below(blocks);
    const end = Math.min(first + 1 + this.random.below(most), blocks);
    for (let b = first; b < end; b++) if (this.busy.has(b)) return undefined;
    return { first, end };
  }

  /**
   * @param {number} most
   * @param {(range: {first: number, end: number}) => Promise<void>} task
   */
  async #alone(most, task) {
    const range = this.#range(most);
    if (!range) return;
    for (let b = range.first; b < range.end; b++) this.busy.add(b);
    try {
      await task(range);
    } finally {
      for (let b = range.first; b < range.end; b++) this.busy.delete(b);
    }
  }

  write() {
    return this.#alone(12, async ({ first, end }) => {
      const values = Array.from({ length: end - first }, () => ++this.stamp);
      const bytes = new Uint8Array(span(first, end)[1]);
      const words = new Uint32Array((end - first) * blockSize / 4);
      for (const [i, value] of values.entries()) words.fill(value, i * blockSize / 4, (i + 1) * blockSize / 4);
      bytes.set(new Uint8Array(words.buffer, 0, bytes.length));
      await this.#change(first, values, () => this.store.write(first * blockSize, bytes));
    });
  }

  zero() {
    return this.#alone(this.random.chance(20) ? blocks : 12, ({ first, end }) =>
      this.#change(first, new Array(end - first).fill(zero), () => this.store.zero(...span(first, end))));
  }

  /** @param {number} first @param {number[]} values @param {() => Promise<void>} call */
  async #change(first, values, call) {
    const entries = values.map((value) => ({ value, at: Infinity })); // it may get there at any moment
    const [world] = this.worlds;
    for (const [i, entry] of entries.entries()) world[first + i].push(entry);
    try {
      await call();
    } catch (error) {
      for (const [i, entry] of entries.entries()) world[first + i] = world[first + i].filter((e) => e !== entry);
      throw error;
    }
    for (const [i, entry] of entries.entries()) {
      entry.at = ++this.clock;
      this.now[first + i] = entry.value;
    }
  }

  read() {
    return this.#alone(20, ({ first, end }) => this.#check(first, end, (b) => [this.now[b]]));
  }

  async flush() {
    const [sure, at, world] = [this.now.slice(), ++this.clock, this.worlds[0]];
    await this.store.flush();
    for (const [b, value] of sure.entries()) world[b] = [{ value, at }, ...world[b].filter((later) => later.at > at)];
  }

  /** Holds nothing afterwards, or a few blocks. @param {boolean} few */
  async replace(few) {
    if (this.busy.size > 0) return;
    for (let b = 0; b < blocks; b++) this.busy.add(b);
    const value = ++this.stamp;
    const next = /** @type {number[]} */ (new Array(blocks).fill(base));
    if (few) next.fill(value, 3, 9);
    const before = this.worlds;
    this.worlds = [...before, next.map((v) => [{ value: v, at: 0 }])];
    try {
      const bytes = new Uint8Array(new Uint32Array(6 * blockSize / 4).fill(value).buffer);
      await (few ? this.store.replace(() => this.store.write(3 * blockSize, bytes)) : this.store.clear());
      this.now = next;
      this.#certain();
    } catch (/** @type {any} */ error) {
      if (!/failed twice/.test(error.message)) this.worlds = before;
      throw error;
    } finally {
      this.busy.clear();
    }
  }

  /** @param {number} first @param {number} end @param {(block: number) => number[]} allowed */
  async #check(first, end, allowed) {
    const values = await contentOf(this.store, first, end);
    for (const [i, value] of values.entries()) assert.ok(allowed(first + i).includes(value), `block ${first + i} is ${value}: want one of ${allowed(first + i)}`);
  }

  /** What a store holds that was opened after the end of this one. @param {LogStore} store */
  async survivedBy(store) {
    const found = await contentOf(store, 0, blocks);
    const fits = this.worlds.some((world) => found.every((value, b) => world[b].some((may) => may.value === value)));
    assert.ok(fits, `found ${found}, want ${this.worlds.map((w) => w.map((may) => may.map(({ value }) => value).join("|"))).join(" or ")}`);
    const next = new Tested(store, this.random);
    next.now = found;
    next.stamp = this.stamp;
    next.#certain();
    return next;
  }
}

/**
 * By block, checked to be all of one value.
 * @param {LogStore} store @param {number} first @param {number} end
 */
export async function contentOf(store, first, end) {
  const values = new Array(end - first).fill(base);
  for (const extent of store.extents(...span(first, end))) {
    const last = Math.ceil((extent.offset + extent.length) / blockSize);
    for (let b = extent.offset / blockSize; b < last; b++) values[b - first] = extent.type === "zero" ? zero : await valueOf(store, b);
  }
  return values;
}

/** @param {LogStore} store @param {number} block */
async function valueOf(store, block) {
  const bytes = await store.read(...span(block, block + 1));
  assert.equal(bytes.length, span(block, block + 1)[1]);
  const words = new Uint32Array(bytes.buffer, 0, bytes.length / 4);
  assert.ok(words.every((w) => w === words[0]), `block ${block} is half old and half new`);
  return words[0];
}
