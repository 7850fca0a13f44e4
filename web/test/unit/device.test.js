import assert from "node:assert/strict";
import { test } from "node:test";
import { Device } from "../../client/device.js";
import { NbdError } from "../../client/errors.js";
import { append, clip } from "../../client/ranges.js";
import { mapBounded, unlessAborted } from "../../client/signals.js";
import { MemoryDisk, held, settled } from "./memory-disk.js";

const bytes = (/** @type {number[]} */ ...values) => Uint8Array.from(values);

/** @type {[name: string, call: (d: Device, offset: any, length: any) => Promise<unknown>][]} */
const ranged = [
  ["read", (d, offset, length) => d.read(offset, length)],
  ["readMany", (d, offset, length) => d.readMany([{ offset: 0, length: 1 }, { offset, length }])],
  ["trim", (d, offset, length) => d.trim(offset, length)],
  ["zero", (d, offset, length) => d.zero(offset, length)],
  ["blockStatus", (d, offset, length) => d.blockStatus(offset, length)],
  ["stream", async (d, offset, length) => { for await (const _ of d.stream({ offset, length })); }],
];

for (const [name, call] of ranged) {
  test(`${name} refuses ranges that can't be meant, and asks nothing`, async () => {
    const disk = new MemoryDisk(1000);
    for (const [offset, length] of [[-1, 1], [0.5, 1], [NaN, 1], ["0", 1], [0, -1], [0, Infinity], [2 ** 53, 0], [0n, 2n ** 64n], [-1n, 1], [null, 1]]) {
      await assert.rejects(call(disk.device, offset, length), { name: "NbdError", code: "INVALID_ARGUMENT" }, `${offset}+${length}`);
    }
    for (const [offset, length] of [[1000, 1], [1001, 0], [999, 2], [0, 1001n], [2 ** 53 - 1, 2 ** 53 - 1], [1, Number.MAX_SAFE_INTEGER]]) {
      await assert.rejects(call(disk.device, offset, length), { code: "OUT_OF_RANGE" }, `${offset}+${length}`);
    }
    assert.deepEqual(disk.asked(), []);
  });

  test(`${name} of nothing is fine, also at the end`, async () => {
    const disk = new MemoryDisk(1000);
    for (const offset of [0, 500n, 1000]) await call(disk.device, offset, 0);
    assert.deepEqual(disk.asked().filter((op) => op !== "read 0+1"), []);
  });
}

test("arguments may be bigint", async () => {
  const { device, bytes: all } = new MemoryDisk(1000);
  assert.deepEqual(await device.read(3n, 4n), all.slice(3, 7));
  await device.write(5n, bytes(9, 9));
  await device.zero(7n, 1n);
  assert.deepEqual(await device.read(4, 5), bytes(all[4], 9, 9, 0, all[8]));
});

test("unknown and wrong options are refused", async () => {
  const { device } = new MemoryDisk(1000);
  const any = /** @type {any} */ (device);
  for (const call of [
    () => any.read(0, 1, { sginal: 1 }), () => any.read(0, 1, { signal: 1 }), () => any.read(0, 1, null),
    () => any.write(0, bytes(1), { unmap: true }), () => any.write(0, "text"), () => any.write(0, [1]),
    () => any.zero(0, 1, { fua: true }), () => any.readMany(7), () => any.readMany([null]),
    () => any.stream({ chunkSize: 0 }).next(), () => any.stream({ chunkSize: 1e9 }).next(), () => any.stream({ onProgress: 1 }).next(),
  ]) await assert.rejects(call, { code: "INVALID_ARGUMENT" }, String(call));
});

test("write copies at once; with transfer it does not", async () => {
  const disk = new MemoryDisk(1000);
  const waiting = held(disk);
  const given = bytes(1, 2, 3, 4);
  const writing = disk.device.write(10, given.subarray(1, 3));
  given.fill(0);
  const kept = bytes(7);
  const other = disk.device.write(20, kept, { transfer: true });
  kept[0] = 8;
  await settled();
  disk.gate = async () => {};
  for (const { go } of waiting) go();
  await Promise.all([writing, other]);
  assert.deepEqual(disk.bytes.slice(10, 12), bytes(2, 3));
  assert.equal(disk.bytes[20], 8);
  await assert.rejects(disk.device.write(0, new Uint8Array(new SharedArrayBuffer(1)), { transfer: true }), { code: "INVALID_ARGUMENT" });
  await disk.device.write(0, new Uint8Array(new SharedArrayBuffer(2)));
  await disk.device.write(4, new Uint16Array([0x0102]));
  assert.deepEqual(disk.bytes.slice(0, 2), bytes(0, 0));
  assert.deepEqual(disk.bytes.slice(4, 6), bytes(2, 1));
});

test("a device without write is read-only", async () => {
  const disk = new MemoryDisk(1000, { readOnly: true });
  assert.equal(disk.device.readOnly, true);
  await assert.rejects(disk.device.write(0, bytes(1)), { code: "READ_ONLY" });
  await assert.rejects(disk.device.trim(0, 1), { code: "READ_ONLY" });
  await assert.rejects(disk.device.zero(0, 1), { code: "READ_ONLY" });
  await disk.device.flush();
  assert.deepEqual(disk.asked(), ["flush 0+0"]);
});

test("a driver that can only read and write makes a whole device", async () => {
  const disk = new MemoryDisk(3 << 20, { minimal: true });
  const { device } = disk;
  const before = disk.bytes.slice(0, 10);
  await device.flush();
  await device.trim(0, 10);
  assert.deepEqual(disk.bytes.slice(0, 10), before);
  assert.deepEqual(await device.blockStatus(5, 100), [{ offset: 5, length: 100, type: "data" }]);
  await device.zero(10, (2 << 20) + 1);
  assert.deepEqual(disk.asked(), ["write 10+1048576", "write 1048586+1048576", "write 2097162+1"]);
  assert.ok(disk.bytes.subarray(10, (2 << 20) + 11).every((b) => b === 0));
  assert.notEqual(disk.bytes[(2 << 20) + 12], 0);
  await device.close();
  assert.equal(await device.closed, undefined);
});

test("a device that answers with another length than asked for is an error", async () => {
  const blockSize = { minimum: 1, preferred: 512, maximumPayload: 512 };
  for (const answer of [new Uint8Array(3), new Uint8Array(5), /** @type {any} */ (undefined)]) {
    const device = new Device({ size: 10, blockSize, read: async () => answer });
    await assert.rejects(device.read(0, 4), { code: "INTERNAL" });
  }
  const device = new Device({ size: 10, blockSize, read: async () => new Uint8Array(8).subarray(2, 6) });
  assert.equal((await device.slice(0, 4)).byteLength, 4);
});

test("readMany has 32 reads under way, keeps the order of the ranges, and fails as a whole", async () => {
  const disk = new MemoryDisk(1000);
  const waiting = held(disk);
  const ranges = Array.from({ length: 50 }, (_, i) => ({ offset: 490 - i * 10, length: i % 10 }));
  const reading = disk.device.readMany(ranges);
  await settled();
  assert.equal(waiting.length, 32);
  disk.gate = async () => {};
  for (const { go } of waiting) go();
  assert.deepEqual(await reading, ranges.map(({ offset, length }) => disk.bytes.slice(offset, offset + length)));
  disk.asked();
  const stuck = held(disk, ({ offset }) => offset !== 480);
  disk.gate = ((gate) => async (op, when) => op.offset === 480 ? Promise.reject(new NbdError("EIO", "bad")) : gate(op, when))(disk.gate);
  await assert.rejects(disk.device.readMany(ranges), { code: "EIO" });
  assert.ok(stuck.length > 20 && disk.asked().length <= 32, "those that were under way were aborted, and no more begun");
});

test("stream gives the range in chunks, reads ahead a little, and tells its progress", async () => {
  const disk = new MemoryDisk(1000);
  /** @type {number[]} */ const done = [];
  const chunks = [];
  for await (const chunk of disk.device.stream({ offset: 10n, length: 95, chunkSize: 10, onProgress: (p) => done.push(p.done, p.total) })) {
    chunks.push(...chunk);
    assert.ok(disk.log.length <= done.length / 2 + 32);
  }
  assert.deepEqual(Uint8Array.from(chunks), disk.bytes.slice(10, 105));
  assert.deepEqual(done, [10, 20, 30, 40, 50, 60, 70, 80, 90, 95].flatMap((d) => [d, 95]));
  let all = 0;
  for await (const chunk of disk.device.stream()) all += chunk.length;
  assert.equal(all, 1000);
});

test("a stream that is left, or aborted, aborts its reads", async () => {
  const disk = new MemoryDisk(1000);
  for await (const _ of disk.device.stream({ chunkSize: 10 })) break;
  assert.equal(disk.asked().length, 32);
  const controller = new AbortController();
  await assert.rejects(async () => {
    for await (const _ of disk.device.stream({ chunkSize: 10, signal: controller.signal })) controller.abort("enough");
  }, (e) => e === "enough");
  held(disk);
  const later = new AbortController();
  const stalled = disk.device.stream({ signal: later.signal }).next();
  later.abort("later");
  await assert.rejects(stalled, (e) => e === "later");
});

test("slice is that of an AsyncBuffer", async () => {
  const disk = new MemoryDisk(10);
  const model = disk.bytes.buffer;
  for (const range of [[], [0], [3], [3, 7], [-3], [-3, -1], [0, 99], [99], [-99, 2], [7, 3], [2.9, 4.9], [NaN, 2], [-Infinity, Infinity]]) {
    const want = new Uint8Array(model.slice(/** @type {any} */ (range[0]), range[1]));
    assert.deepEqual(new Uint8Array(await disk.device.slice(...range)), want, `slice(${range})`);
  }
});

test("an aborted signal asks nothing; an abort ends the waiting at once", async () => {
  const disk = new MemoryDisk(10);
  await assert.rejects(disk.device.read(0, 1, { signal: AbortSignal.abort("enough") }), (e) => e === "enough");
  assert.deepEqual(disk.asked(), []);
  held(disk);
  const controller = new AbortController();
  const reading = disk.device.read(0, 1, { signal: controller.signal });
  controller.abort("enough");
  await assert.rejects(reading, (e) => e === "enough");
});

test("close refuses at once, waits for what is under way, and may be called again", async () => {
  const disk = new MemoryDisk(10);
  const waiting = held(disk);
  const reading = disk.device.read(0, 3);
  const many = disk.device.readMany([1, 2, 3, 4, 5, 6].map((length) => ({ offset: 0, length })));
  await settled();
  const closing = disk.device.close();
  assert.equal(disk.device.close(), closing);
  await assert.rejects(disk.device.read(0, 0), { code: "CLOSED" });
  await assert.rejects(disk.device.flush(), { code: "CLOSED" });
  await settled();
  assert.equal(disk.closes, 0);
  disk.gate = async () => {};
  for (const { go } of waiting) go();
  assert.equal((await reading).length, 3);
  assert.equal((await many).length, 6);
  await closing;
  assert.equal(disk.closes, 1);
  assert.equal(await disk.device.closed, undefined);
});

test("a device whose ground is lost tells why, and refuses with it", async () => {
  const disk = new MemoryDisk(10);
  const why = new NbdError("DISCONNECTED", "gone");
  disk.lose(why);
  assert.equal(await disk.device.closed, why);
  await assert.rejects(disk.device.read(0, 1), why);
  await disk.device.close();
});

test("extents that continue each other become one", () => {
  /** @type {import("../../client/ranges.js").Extent[]} */
  const list = [];
  for (const [offset, length, type] of /** @type {const} */ ([[0, 5, "data"], [5, 0, "hole"], [5, 5, "data"], [10, 1, "hole"], [11, 1, "zero"], [20, 1, "zero"]])) append(list, { offset, length, type });
  assert.deepEqual(list, [{ offset: 0, length: 10, type: "data" }, { offset: 10, length: 1, type: "hole" }, { offset: 11, length: 1, type: "zero" }, { offset: 20, length: 1, type: "zero" }]);
  assert.deepEqual(clip(list, 9, 2), [{ offset: 9, length: 1, type: "data" }, { offset: 10, length: 1, type: "hole" }]);
  assert.deepEqual(clip(list, 12, 8), []);
});

test("unlessAborted takes its listener away", async () => {
  const controller = new AbortController();
  let listeners = 0;
  const { signal } = controller;
  const { addEventListener, removeEventListener } = signal;
  signal.addEventListener = (/** @type {[any, any]} */ ...args) => (listeners++, addEventListener.apply(signal, args));
  signal.removeEventListener = (/** @type {[any, any]} */ ...args) => (listeners--, removeEventListener.apply(signal, args));
  assert.equal(await unlessAborted(Promise.resolve(7), signal), 7);
  await assert.rejects(unlessAborted(Promise.reject(new Error("no")), signal), /no/);
  await mapBounded([1, 2, 3], 2, signal, async () => {});
  await settled();
  assert.equal(listeners, 0);
});

test("mapBounded tells a failure when all its tasks have ended", async () => {
  let running = 0;
  await assert.rejects(mapBounded([1, 2, 3, 4], 3, undefined, async (n) => {
    running++;
    if (n === 1) await settled();
    running--;
    if (n === 2) throw new Error("two");
  }), /two/);
  assert.equal(running, 0);
});
