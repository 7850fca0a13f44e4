import assert from "node:assert/strict";
import { test } from "node:test";
import { Device } from "../../client/device.js";
import { NbdError } from "../../client/errors.js";
import { withCache } from "../../client/layers/index.js";
import { ReadAhead } from "../../client/layers/readahead.js";
import { MemoryDisk, held, settled } from "./memory-disk.js";

const bytes = (/** @type {number[]} */ ...values) => Uint8Array.from(values);

/** Lines of 512 bytes. @param {{lines?: number, readAhead?: number, size?: number}} [options] */
function cached({ lines = 8, readAhead = 0, size = 10_000 } = {}) {
  const disk = new MemoryDisk(size);
  return { disk, cache: withCache(disk.device, { size: lines * 512, lineSize: 512, readAhead }) };
}

test("options that can't be meant are refused", () => {
  const { device } = new MemoryDisk(1000);
  for (const bad of [{ lineSize: 0 }, { lineSize: 100 }, { lineSize: -512 }, { size: 1024, lineSize: 2048 }, { size: 0 }, { readAhead: -1 }, { readahead: 1 }, null, { size: 1.5 }]) {
    assert.throws(() => withCache(device, /** @type {any} */ (bad)), { code: "INVALID_ARGUMENT" }, JSON.stringify(bad));
  }
});

test("a line is read once, as a whole, and the last one up to the end", async () => {
  const { disk, cache } = cached();
  assert.deepEqual(await cache.read(700, 10), disk.bytes.slice(700, 710));
  assert.deepEqual(await cache.read(512, 512), disk.bytes.slice(512, 1024));
  assert.deepEqual(await cache.read(9999, 1), disk.bytes.slice(9999));
  assert.deepEqual(await cache.read(9990, 10), disk.bytes.slice(9990));
  assert.deepEqual(disk.asked(), ["read 512+512", "read 9728+272"]);
});

test("what is read belongs to the reader", async () => {
  const { disk, cache } = cached();
  (await cache.read(0, 512)).fill(0);
  (await cache.read(0, 512)).fill(0);
  assert.deepEqual(await cache.read(0, 512), disk.bytes.slice(0, 512));
});

test("neighbouring misses are one read; lines between them are not read again", async () => {
  const { disk, cache } = cached();
  await cache.read(1024, 1);
  disk.asked();
  assert.deepEqual(await cache.read(100, 2400), disk.bytes.slice(100, 2500));
  assert.deepEqual(disk.asked(), ["read 0+1024", "read 1536+1024"]);
});

test("one read asks for 4 MiB at most", async () => {
  const disk = new MemoryDisk(9 << 20);
  const cache = withCache(disk.device, { size: 16 << 20 });
  await cache.read(0, 9 << 20);
  assert.deepEqual(disk.asked(), ["read 0+4194304", "read 4194304+4194304", "read 8388608+1048576"]);
});

test("memory is bounded: the least recently used lines go", async () => {
  const { disk, cache } = cached({ lines: 3 });
  for (const line of [0, 1, 2, 0, 3]) await cache.read(line * 512, 1);
  disk.asked();
  for (const line of [0, 2, 3]) await cache.read(line * 512, 1);
  assert.deepEqual(disk.asked(), []);
  await cache.read(512, 1);
  assert.deepEqual(disk.asked(), ["read 512+512"]);
  assert.deepEqual(await cache.read(0, 10_000), disk.bytes); // larger than the cache
  disk.asked();
  await cache.read(0, 10_000);
  assert.equal(disk.asked().map((op) => Number(op.split("+")[1])).reduce((a, b) => a + b), 10_000 - 2 * 512 - 272);
});

test("readers of one line share one read", async () => {
  const { disk, cache } = cached();
  const waiting = held(disk);
  const readings = [cache.read(0, 10), cache.read(5, 600), cache.read(20, 10)];
  await settled();
  assert.deepEqual(disk.asked(), ["read 0+512", "read 512+512"]);
  for (const { go } of waiting) go();
  assert.deepEqual(await Promise.all(readings), [disk.bytes.slice(0, 10), disk.bytes.slice(5, 605), disk.bytes.slice(20, 30)]);
});

test("an abort of one reader leaves the others their read; of the last one, it ends", async () => {
  const { disk, cache } = cached();
  /** @type {AbortSignal[]} */ const signals = [];
  const read = disk.device.read.bind(disk.device);
  disk.device.read = (offset, length, options) => (signals.push(/** @type {AbortSignal} */ (options?.signal)), read(offset, length, options));
  let waiting = held(disk);
  const [a, b] = [new AbortController(), new AbortController()];
  const first = cache.read(0, 10, { signal: a.signal });
  const second = cache.read(0, 10, { signal: b.signal });
  a.abort("a");
  await assert.rejects(first, (e) => e === "a");
  assert.equal(signals[0].aborted, false);
  waiting[0].go();
  assert.deepEqual(await second, disk.bytes.slice(0, 10));

  waiting = held(disk);
  const c = new AbortController();
  const third = cache.read(600, 10, { signal: c.signal });
  await settled();
  c.abort("c");
  await assert.rejects(third, (e) => e === "c");
  assert.equal(signals[1].aborted, true);
  const fourth = cache.read(600, 10);
  await settled();
  waiting[1].go();
  assert.deepEqual(await fourth, disk.bytes.slice(600, 610));
});

test("a bad sector hurts only those who read it, and is not remembered", async () => {
  const { disk, cache } = cached();
  disk.gate = async ({ name, offset, length }, when) => {
    if (when === "before" && name === "read" && offset <= 300 && 300 < offset + length) throw new NbdError("EIO", "bad sector");
  };
  const readings = await Promise.allSettled([cache.read(0, 100), cache.read(300, 10), cache.read(310, 202), cache.read(0, 512)]);
  assert.deepEqual(readings.map((r) => r.status), ["fulfilled", "rejected", "fulfilled", "rejected"]);
  disk.gate = async () => {};
  assert.deepEqual(await cache.read(0, 512), disk.bytes.slice(0, 512));
});

test("writes go through, and change the lines that are held", async () => {
  const { disk, cache } = cached();
  await cache.read(0, 1024);
  disk.asked();
  await cache.write(510, bytes(1, 2, 3, 4), { fua: true });
  await cache.write(3000, bytes(5));
  assert.deepEqual(await cache.read(509, 6), disk.bytes.slice(509, 515));
  assert.deepEqual(disk.asked(), ["write 510+4", "write 3000+1"]);
  assert.deepEqual(disk.bytes.slice(510, 514), bytes(1, 2, 3, 4));
  await cache.zero(0, 512);
  assert.deepEqual(await cache.read(0, 513), Uint8Array.of(...new Uint8Array(512), 3));
  assert.deepEqual(disk.asked(), ["zero 0+512"]);
  await cache.trim(512, 512);
  assert.deepEqual(await cache.read(512, 512), disk.bytes.slice(512, 1024));
  assert.deepEqual(disk.asked(), ["trim 512+512", "read 512+512"]);
  await cache.flush();
  assert.deepEqual(disk.asked(), ["flush 0+0"]);
});

test("a change of what is not held asks for nothing, whatever its size", async () => {
  /** @type {string[]} */ const asked = [];
  const cache = withCache(new Device({
    size: 2 ** 52,
    blockSize: { minimum: 1, preferred: 512, maximumPayload: 512 },
    read: async (_, length) => new Uint8Array(length),
    write: async () => {},
    trim: async () => { asked.push("trim"); },
    zero: async () => { asked.push("zero"); },
  }));
  await cache.read(2 ** 51, 1);
  await cache.trim(0, 2 ** 52);
  await cache.zero(0, 2 ** 52);
  assert.deepEqual(asked, ["trim", "zero"]);
});

test("what a read in flight brings is not held when a write came between", async () => {
  const { disk, cache } = cached();
  const reads = held(disk, ({ name }) => name === "read");
  const hold = disk.gate;
  disk.gate = (op, when) => hold(op, when === "after" ? "before" : "after"); // the bytes are taken first
  const early = cache.read(0, 512);
  await settled();
  await cache.write(5, bytes(99));
  const late = cache.read(0, 512); // must not join the first read
  await settled();
  for (const { go } of reads) go();
  await early;
  assert.equal((await late)[5], 99);
  assert.equal((await cache.read(0, 512))[5], 99);
});

test("reads during a write are not held either", async () => {
  const { disk, cache } = cached();
  const writes = held(disk, ({ name }) => name === "write");
  const writing = cache.write(5, bytes(99));
  await cache.read(0, 512);
  await cache.read(100, 4);
  assert.deepEqual(disk.asked(), ["write 5+1", "read 0+512", "read 100+4"]);
  writes[0].go();
  await writing;
  assert.equal((await cache.read(0, 512))[5], 99);
});

test("a write that failed leaves no line, done or not", async () => {
  for (const moment of ["before", "after"]) {
    const { disk, cache } = cached();
    await cache.read(0, 512);
    disk.gate = async ({ name }, when) => { if (name === "write" && when === moment) throw new NbdError("EIO", "no"); };
    await assert.rejects(cache.write(0, bytes(77)), { code: "EIO" });
    disk.asked();
    assert.deepEqual(await cache.read(0, 10), disk.bytes.slice(0, 10));
    assert.deepEqual(disk.asked(), ["read 0+512"]);
  }
});

test("an aborted write rejects at once; the lines learn what became of it", async () => {
  const { disk, cache } = cached();
  await cache.read(0, 512);
  const writes = held(disk, ({ name }) => name === "write");
  const controller = new AbortController();
  const writing = cache.write(0, bytes(77), { signal: controller.signal });
  await settled();
  controller.abort("enough");
  await assert.rejects(writing, (e) => e === "enough");
  const second = cache.write(0, bytes(78)); // in order, after the first
  await settled();
  assert.equal(writes.length, 1);
  const queued = new AbortController();
  const third = cache.write(0, bytes(79), { signal: queued.signal });
  queued.abort("never");
  await assert.rejects(third, (e) => e === "never");
  writes[0].go();
  await settled();
  writes[1].go();
  await second;
  assert.deepEqual([disk.bytes[0], (await cache.read(0, 1))[0], writes.length], [78, 78, 2]);
});

test("writes that do not overlap are under way together", async () => {
  const { disk, cache } = cached();
  const waiting = held(disk);
  const writings = [cache.write(0, bytes(1)), cache.write(1, bytes(2)), cache.write(2, bytes(3))];
  await settled();
  assert.equal(waiting.length, 3);
  for (const { go } of waiting) go();
  await Promise.all(writings);
});

test("reading on leads to reads ahead, which nobody waits for", async () => {
  const { disk, cache } = cached({ lines: 32, readAhead: 2048 });
  await cache.read(0, 512);
  assert.deepEqual(disk.asked(), ["read 0+512"]);
  await cache.read(512, 512);
  assert.deepEqual(disk.asked(), ["read 512+512", "read 1024+2048"]);
  await cache.read(1024, 512);
  assert.deepEqual(disk.asked(), []);
  await cache.read(1536, 512);
  assert.deepEqual(disk.asked(), ["read 3072+1024"]);
  disk.gate = async ({ offset }) => { if (offset >= 4096) throw new NbdError("EIO", "no"); };
  await cache.read(2048, 512);
  await cache.read(2560, 512);
  await settled(); // an unhandled rejection would fail the test
  await assert.rejects(cache.read(4096, 512), { code: "EIO" });
});

test("ReadAhead", () => {
  /** @type {[reads: [number, number][], last: [number, number] | undefined][]} */
  const cases = [
    [[[0, 10]], undefined],
    [[[0, 10], [20, 10]], undefined],
    [[[0, 10], [10, 10]], [20, 120]],
    [[[0, 10], [10, 10], [20, 10]], undefined],
    [[[0, 10], [10, 10], [20, 60]], [120, 180]],
    [[[0, 10], [500, 10], [10, 10]], [20, 120]],
    [[[0, 10], [10, 970]], [980, 1000]],
    [[[0, 10], [10, 990]], undefined],
    [[[0, 10], [101, 1], [201, 1], [301, 1], [401, 1], [501, 1], [601, 1], [701, 1], [801, 1], [10, 10]], undefined],
  ];
  for (const [reads, last] of cases) {
    const ahead = new ReadAhead(100, 1000);
    assert.deepEqual(reads.map(([offset, length]) => ahead.next(offset, length)).at(-1), last, JSON.stringify(reads));
  }
});

test("close waits for what is under way, an aborted write too, and frees the rest", async () => {
  const { disk, cache } = cached();
  const waiting = held(disk);
  const controller = new AbortController();
  const aborted = cache.write(0, bytes(1), { signal: controller.signal });
  const reading = cache.read(600, 10);
  await settled();
  controller.abort("enough");
  await assert.rejects(aborted, (e) => e === "enough");
  let closed = false;
  const closing = cache.close().then(() => { closed = true; });
  await settled();
  waiting[1].go();
  assert.equal((await reading).length, 10);
  await settled();
  assert.equal(closed, false);
  waiting[0].go();
  await closing;
  assert.deepEqual([disk.closes, disk.bytes[0]], [1, 1]);
});

test("a cache whose device is lost gives out nothing", async () => {
  const { disk, cache } = cached();
  await cache.read(0, 10);
  const why = new NbdError("DISCONNECTED", "gone");
  disk.lose(why);
  assert.equal(await cache.closed, why);
  await assert.rejects(cache.read(0, 10), why);
});
