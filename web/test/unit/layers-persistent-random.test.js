import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeCaches } from "./fake-caches.js";
import { MemoryDisk, settled } from "./memory-disk.js";
import { Random } from "./random.js";

const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 32));
const lives = Number(process.env.LIVES ?? 300);
const size = 20_000;

/** A disk that only the cache changes, and pages that come and go. */
class Run {
  /** As Date.now() tells it. */ now = 1e12;
  counts = { ended: 0, killed: 0, crashed: 0, hits: 0 };
  #bytes = new MemoryDisk(size).bytes;

  /** @param {number} seed */
  constructor(seed) {
    this.random = new Random(seed);
    this.caches = new FakeCaches(this.random);
  }

  /** One page, which may end at any operation of its storage. */
  async life() {
    const { random, caches } = this;
    const disk = new MemoryDisk(size);
    disk.bytes = this.#bytes;
    let ended = false;
    disk.gate = async () => { for (let hops = random.below(8); hops > 0; hops--) await null; };
    const fate = random.of(/** @type {const} */ (["killed", "crashed", "ended", "ended"]));
    const at = caches.disk.calls + random.below(random.of([20, 300]));
    caches.disk.before = () => {
      if (ended || fate === "ended" || caches.disk.calls < at) return;
      ended = true;
      caches.kill(fate === "crashed");
    };
    const device = await this.#orEnd(caches.cached(disk.device, { size: 25 * 512, revalidate: random.chance(50) ? "never" : "sample" }), () => ended);
    if (device) await this.#use(device, disk, () => ended);
    if (device && !ended) await this.#orEnd(device.close(), () => ended);
    this.counts[ended ? fate : "ended"]++;
    for (let i = 0; i < 20; i++) await settled(); // what was sent arrives
    this.now += random.of([0, 10_000]);
  }

  /** Nothing that a page began settles any more once it has ended. @template T @param {Promise<T>} work @param {() => boolean} ended */
  async #orEnd(work, ended) {
    /** @type {{value: T} | undefined} */ let done;
    let failed;
    work.then((value) => { done = { value }; }, (error) => { failed = { error }; });
    while (!done && !failed && !ended()) await settled();
    if (failed && !ended()) throw /** @type {any} */ (failed).error;
    return /** @type {{value: T} | undefined} */ (done)?.value;
  }

  /**
   * @param {import("../../client/layers/index.js").PersistentCache} device
   * @param {MemoryDisk} disk
   * @param {() => boolean} ended
   */
  async #use(device, disk, ended) {
    await this.#check(device, disk, ended);
    for (let batches = this.random.below(6); batches > 0 && !ended(); batches--) {
      const work = Array.from({ length: 1 + this.random.below(12) }, () => this.#one(device));
      await this.#orEnd(Promise.all(work), ended);
      if (this.random.chance(50)) await this.#check(device, disk, ended);
    }
    assert.equal(device.persistent, true);
    this.counts.hits += device.stats().hits;
  }

  /** @param {import("../../client/layers/index.js").PersistentCache} device */
  #one(device) {
    const { random } = this;
    const length = random.below(random.of([100, 600, 4000]));
    const offset = random.below(size - length);
    const kind = random.below(10);
    if (kind < 5) return device.read(offset, length);
    if (kind < 8) return device.write(offset, new Uint8Array(length).fill(random.next()), { fua: random.chance(50) });
    return kind < 9 ? device.zero(offset, length) : device.trim(offset, length);
  }

  /** Where nothing is under way, what is read is what the disk has. @param {import("../../client/device.js").BlockDevice} device @param {MemoryDisk} disk @param {() => boolean} ended */
  async #check(device, disk, ended) {
    if (ended()) return;
    const got = await this.#orEnd(device.read(0, size), ended);
    if (got) assert.equal(Buffer.compare(got, disk.bytes), 0, `byte ${got.findIndex((byte, i) => byte !== disk.bytes[i])} is stale`);
  }

  /** Bits that flip while nobody looks. */
  damage() {
    const files = [...this.caches.disk.files.values()];
    if (files.length === 0) return; // the page ended before it had made one
    for (let flips = 1 + this.random.below(40); flips > 0; flips--) {
      const file = this.random.of(files);
      if (file.length > 0) file.now[this.random.below(file.length)] ^= 1 << this.random.below(8);
      file.durable = file.bytes.slice();
    }
  }
}

for (const damaged of [false, true]) {
  test(`pages end anywhere${damaged ? " and files are damaged" : ""}: what is read is never stale (SEED=${seed})`, async (t) => {
    t.diagnostic(`run it again with SEED=${seed} LIVES=${lives}`);
    const run = new Run(seed + Number(damaged));
    t.mock.method(Date, "now", () => run.now);
    for (let i = 0; i < lives; i++) {
      await run.life();
      if (damaged) run.damage();
    }
    t.diagnostic(JSON.stringify(run.counts));
    const { ended, killed, crashed, hits } = run.counts;
    assert.ok(Math.min(ended, killed, crashed, hits) > 0, "nothing was tested");
  });
}
