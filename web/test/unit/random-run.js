import assert from "node:assert/strict";
import { parentPort, workerData } from "node:worker_threads";
import { NbdError } from "../../client/errors.js";
import { Overlay, memoryStore, record, region, withCache, withOverlay } from "../../client/layers/index.js";
import { openLogStore } from "../../client/layers/logstore.js";
import { FakeCaches } from "./fake-caches.js";
import { FakeDisk } from "./fake-folder.js";
import { MemoryDisk } from "./memory-disk.js";
import { Model } from "./model.js";
import { Random } from "./random.js";

// Random operations through one stack of layers, checked against a model. It is
// a Worker's program, because promises are slow where node:test watches them.

/** @typedef {import("../../client/device.js").BlockDevice} BlockDevice */

/** Operations on one device, before an overlay holds everything. */
const life = 1000;
const size = 49_999; // no multiple of anything

/** The gate of the run that is going on: slow and faulty. */
let gate = async () => {};

/** @param {BlockDevice} device */
function overlay(device) {
  const store = memoryStore({ blockSize: 512 });
  const { read, write, zero, clear } = store;
  return withOverlay(device, Object.assign(store, {
    read: (/** @type {[any, any]} */ ...args) => gate().then(() => read.apply(store, args)),
    write: (/** @type {[any, any]} */ ...args) => gate().then(() => write.apply(store, args)),
    zero: (/** @type {[any, any]} */ ...args) => gate().then(() => zero.apply(store, args)),
    clear: () => gate().then(() => clear.apply(store)),
  }));
}

/**
 * An overlay in files. Those of the index do not fail: it is tested by itself.
 * @param {BlockDevice} device
 */
async function files(device) {
  const disk = new FakeDisk(new Random(device.size));
  const facts = { size: device.size, blockSize: 512, identity: undefined };
  const store = await openLogStore(disk.folder(), { what: "the store", facts, compactAt: 10_000, flushAfter: Infinity });
  disk.before = async (_, name) => { if (name === "data") await gate(); };
  return withOverlay(device, store);
}

/** Small, so that lines are dropped all the time. @param {BlockDevice} device */
const cache = (device) => withCache(device, { size: 16 << 10, lineSize: 1024, readAhead: 4096 });
/** Its storage gets full, and seldom fails for good. @param {BlockDevice} device */
function persistent(device) {
  const caches = new FakeCaches(random);
  caches.disk.limit = 8192 + random.below(32 << 10);
  caches.disk.before = () => { if (random.chance(0.02)) throw new NbdError("EIO", "cleared"); };
  return caches.cached(device, { size: 24 << 10 });
}
/** @param {BlockDevice} device */
const part = (device) => region(device, { offset: 777, length: device.size - 1500 });

/**
 * Where nothing but the device below orders changes, one that was aborted may
 * happen after later ones: with unordered, changes are not aborted. What is
 * below ends like the model, or, under a second overlay, as it was.
 * @typedef {{build: (device: BlockDevice) => BlockDevice | Promise<BlockDevice>, unordered?: boolean, spared?: boolean}} Stack
 */

/** @type {Record<string, Stack>} */
const stacks = {
  "region": { build: part, unordered: true },
  "record": { build: record, unordered: true },
  "cache": { build: cache },
  "cache of one line": { build: (device) => withCache(device, { size: 512, lineSize: 512 }) },
  "cache of large lines": { build: (device) => withCache(device, { size: 64 << 10, lineSize: 16 << 10 }) },
  "persistent cache": { build: persistent },
  "cache over persistent cache over region": { build: async (device) => cache(await persistent(part(device))) },
  "overlay": { build: overlay },
  "overlay over cache": { build: (device) => overlay(cache(device)) },
  "cache over overlay over region": { build: (device) => cache(overlay(part(device))), spared: true },
  "region over cache over overlay": { build: (device) => part(cache(overlay(device))), spared: true },
  "overlay in files": { build: files },
  "cache over overlay in files over cache": { build: async (device) => cache(await files(cache(device))), spared: true },
  "overlay over overlay": { build: (device) => overlay(overlay(device)), spared: true },
  "cache over record over overlay over cache over region": { build: (device) => cache(record(overlay(cache(part(device))))), spared: true },
};

const ticks = async (/** @type {number} */ n) => { while (n-- > 0) await new Promise((resolve) => setImmediate(resolve)); };

class Run {
  /**
   * @param {Random} random
   * @param {Stack} stack
   * @param {{reads: number, changes: number, failed: number, aborted: number}} counts
   */
  static async of(random, stack, counts) {
    const disk = new MemoryDisk(size);
    return new Run(random, stack, counts, disk, await stack.build(disk.device));
  }

  /**
   * @param {Random} random
   * @param {Stack} stack
   * @param {{reads: number, changes: number, failed: number, aborted: number}} counts
   * @param {MemoryDisk} disk
   * @param {BlockDevice} device
   */
  constructor(random, { unordered = false, spared = false }, counts, disk, device) {
    this.random = random;
    this.abortChanges = !unordered;
    this.spared = spared;
    this.disk = disk;
    this.faulty = false;
    this.gates = 0;
    this.disk.gate = gate = () => this.#gate();
    this.device = device;
    const skipped = (size - this.device.size) / 1500 * 777;
    /** What of the disk the stack shows. */
    this.shown = this.disk.bytes.subarray(skipped, skipped + this.device.size);
    this.original = this.shown.slice();
    this.model = new Model(this.original);
    this.pool = Uint8Array.from({ length: 1 << 17 }, () => random.next());
    this.counts = counts;
  }

  async #gate() {
    const { random } = this;
    this.gates++;
    if (random.chance(12)) await ticks(random.chance(5) ? 20 : 1 + random.below(2));
    else for (let hops = random.below(16) - 8; hops > 0; hops--) await null;
    if (this.faulty && random.chance(2)) throw new NbdError("EIO", "injected");
  }

  /** Aborted changes and reads ahead go on by themselves. */
  async #quiet() {
    for (let before = -1; before !== this.gates; await ticks(25)) before = this.gates;
  }

  /** @param {number} count */
  async all(count) {
    for (let left = count; left > 0;) {
      const batch = Math.min(left, 1 + this.random.below(400));
      this.faulty = this.random.chance(70);
      let next = batch;
      const worker = async () => { while (next-- > 0) await this.#one(); };
      await Promise.all(Array.from({ length: this.random.of([1, 2, 4, 8, 16]) }, worker));
      left -= batch;
      await this.#quiet();
      this.faulty = false;
      await this.#read(0, this.device.size, undefined);
    }
    await this.#finish();
  }

  /** The last word: what is read, and what a commit leaves on the device below. */
  async #finish() {
    await this.#read(0, this.device.size, undefined);
    if (this.device instanceof Overlay) {
      await this.device.commit();
      await this.#read(0, this.device.size, undefined);
    }
    await this.device.close();
    assert.equal(this.disk.closes, 1);
    if (this.spared) assert.deepEqual(this.shown, this.original);
    else assert.equal(this.model.endRead(this.model.beginRead(0, this.shown.length), this.shown), undefined);
    await assert.rejects(this.device.read(0, 1), { code: "CLOSED" });
  }

  async #one() {
    const { random, device } = this;
    const length = random.below(random.of([1, 600, 600, 600, 4096, 4096, 20_000]) + 1);
    const offset = random.below(this.device.size - length + 1);
    const kind = random.below(100);
    if (kind < 50) return this.#read(offset, length, this.#signal(true));
    if (kind < 78) return this.#write(offset, length);
    if (kind < 86) return this.#change(offset, new Uint8Array(length), (signal) => this.device.zero(offset, length, { signal, unmap: random.chance(50) }));
    if (kind < 93) return this.#trim(offset, length);
    if (kind < 96) return this.#other((signal) => this.#status(offset, length, signal));
    if (kind < 98) return this.#other((signal) => this.device.flush({ signal }));
    if (device instanceof Overlay && random.chance(20)) return this.#other((signal) => device.commit({ signal }));
    return this.#sequence(offset, length);
  }

  /** A few are aborted, some of them at once. @param {boolean} may */
  #signal(may) {
    if (!may || !this.random.chance(6)) return undefined;
    const controller = new AbortController();
    const after = this.random.below(4);
    if (after === 0) queueMicrotask(() => controller.abort("enough"));
    else ticks(after).then(() => controller.abort("enough"));
    return controller.signal;
  }

  /** @param {number} offset @param {number} length @param {AbortSignal | undefined} signal */
  async #read(offset, length, signal) {
    const reading = this.model.beginRead(offset, length);
    const got = await this.#honest(this.device.read(offset, length, { signal }), signal);
    if (Array.isArray(got)) this.counts.reads++;
    const wrong = this.model.endRead(reading, Array.isArray(got) ? got[0] : undefined);
    assert.equal(wrong, undefined, `read of ${length} at ${offset}: ${wrong}`);
  }

  /** Small reads in a row, to have the cache read ahead. @param {number} offset @param {number} length */
  async #sequence(offset, length) {
    for (let at = offset; at < offset + length; at += 1000) {
      await this.#read(at, Math.min(1000, offset + length - at), this.#signal(true));
    }
  }

  /** @param {number} offset @param {number} length */
  #write(offset, length) {
    const start = this.random.below(this.pool.length - length);
    const bytes = this.pool.slice(start, start + length);
    const given = bytes.slice();
    const transfer = this.random.chance(50);
    return this.#change(offset, bytes, (signal) => {
      const writing = this.device.write(offset, given, { signal, transfer, fua: this.random.chance(5) });
      if (!transfer) given.fill(0); // they were copied
      return writing;
    });
  }

  /** What is trimmed may read as zeros or not: the model takes it for a failure. @param {number} offset @param {number} length */
  #trim(offset, length) {
    return this.#change(offset, new Uint8Array(length), (signal) => this.device.trim(offset, length, { signal }), "failed");
  }

  /**
   * @param {number} offset
   * @param {Uint8Array} bytes
   * @param {(signal: AbortSignal | undefined) => Promise<void>} apply
   * @param {"done" | "failed"} success
   */
  async #change(offset, bytes, apply, success = "done") {
    const signal = this.#signal(this.abortChanges);
    const change = this.model.begin(offset, bytes);
    const outcome = await this.#honest(apply(signal), signal);
    if (Array.isArray(outcome)) this.counts.changes++;
    this.model.end(change, Array.isArray(outcome) ? success : outcome);
  }

  /** @param {(signal: AbortSignal | undefined) => Promise<unknown>} operation */
  async #other(operation) {
    const signal = this.#signal(true);
    await this.#honest(operation(signal), signal);
  }

  /** @param {number} offset @param {number} length @param {AbortSignal | undefined} signal */
  async #status(offset, length, signal) {
    let at = offset;
    for (const e of await this.device.blockStatus(offset, length, { signal })) {
      assert.equal(e.offset, at);
      at += e.length;
    }
    assert.equal(at, offset + length);
  }

  /**
   * Fails only for an injected fault or its own signal.
   * @template T
   * @param {Promise<T>} operation
   * @param {AbortSignal | undefined} signal
   * @returns {Promise<[T] | "failed" | "aborted">}
   */
  async #honest(operation, signal) {
    try {
      return [await operation];
    } catch (/** @type {any} */ error) {
      if (error === "enough" && signal?.aborted) return this.counts.aborted++, "aborted";
      if (error?.message === "injected" && this.faulty) return this.counts.failed++, "failed";
      throw error;
    }
  }
}

/** @type {{name: string, seed: number, operations: number}} */
const { name, seed, operations } = workerData;
const random = new Random(seed);
const counts = { reads: 0, changes: 0, failed: 0, aborted: 0 };
for (let left = operations; left > 0; left -= life) await (await Run.of(random, stacks[name], counts)).all(Math.min(left, life));
parentPort?.postMessage(counts);
