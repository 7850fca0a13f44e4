import assert from "node:assert/strict";
import { test } from "node:test";
import { Device } from "../../client/device.js";
import { prefetch, readOnlyView, record, region, withCache } from "../../client/layers/index.js";
import { MemoryDisk } from "./memory-disk.js";

const bytes = (/** @type {number[]} */ ...values) => Uint8Array.from(values);
const MiB = 1 << 20;

test("a region begins at 0 and ends where it ends", async () => {
  const disk = new MemoryDisk(1000);
  const part = region(disk.device, { offset: 100n, length: 50 });
  assert.equal(part.size, 50);
  assert.deepEqual(await part.read(0, 50), disk.bytes.slice(100, 150));
  await part.write(49, bytes(7));
  await part.zero(1, 2, { unmap: false });
  await part.trim(10, 10);
  await part.flush();
  assert.deepEqual(await part.readMany([{ offset: 49, length: 1 }, { offset: 1n, length: 2n }]), [bytes(7), bytes(0, 0)]);
  assert.deepEqual(disk.asked(), ["read 100+50", "write 149+1", "zero 101+2", "trim 110+10", "flush 0+0", "read 149+1", "read 101+2"]);
  assert.equal((await part.slice(-1)).byteLength, 1);
});

test("nothing outside of a region is reached", async () => {
  const disk = new MemoryDisk(1000);
  const before = disk.bytes.slice();
  const part = region(disk.device, { offset: 100, length: 50 });
  for (const [offset, length] of [[50, 1], [49, 2], [-1, 1], [0, 51], [2 ** 53 - 1, 1]]) {
    const refused = { code: /OUT_OF_RANGE|INVALID_ARGUMENT/ };
    await assert.rejects(part.read(offset, length), refused);
    await assert.rejects(part.write(offset, new Uint8Array(length > 0 ? length : 1)), refused);
    await assert.rejects(part.zero(offset, length), refused);
    await assert.rejects(part.trim(offset, length), refused);
    await assert.rejects(part.blockStatus(offset, length), refused);
  }
  assert.deepEqual([disk.asked(), disk.bytes], [[], before]);
});

test("regions of regions, of nothing, and past the end", async () => {
  const disk = new MemoryDisk(1000);
  const inner = region(region(disk.device, { offset: 100, length: 900 }), { offset: 10, length: 5 });
  assert.deepEqual(await inner.read(0, 5), disk.bytes.slice(110, 115));
  assert.equal(region(disk.device, { offset: 1000, length: 0 }).size, 0);
  assert.throws(() => region(disk.device, { offset: 999, length: 2 }), { code: "OUT_OF_RANGE" });
  assert.throws(() => region(disk.device, { offset: -1, length: 2 }), { code: "INVALID_ARGUMENT" });
  assert.throws(() => region(disk.device, /** @type {any} */ ({ offset: 0, size: 2 })), { code: "INVALID_ARGUMENT" });
  assert.throws(() => region(/** @type {any} */ ({}), { offset: 0, length: 0 }), { code: "INVALID_ARGUMENT" });
});

test("a region moves block status, and is read-only over a read-only device", async () => {
  const disk = new MemoryDisk(1000, { readOnly: true });
  disk.extents = [{ offset: 100, length: 20, type: "hole" }, { offset: 120, length: 30, type: "data" }];
  const part = region(disk.device, { offset: 100, length: 50 });
  assert.deepEqual(await part.blockStatus(0, 50), [{ offset: 0, length: 20, type: "hole" }, { offset: 20, length: 30, type: "data" }]);
  assert.equal(part.readOnly, true);
  await assert.rejects(part.write(0, bytes(1)), { code: "READ_ONLY" });
});

test("closing a layer closes what is beneath, and ends with it", async () => {
  const disk = new MemoryDisk(1000);
  const [a, b] = [region(disk.device, { offset: 0, length: 10 }), readOnlyView(disk.device)];
  await a.close();
  assert.deepEqual([disk.closes, await a.closed, await b.closed], [1, undefined, undefined]);
  await assert.rejects(b.read(0, 1), { code: "CLOSED" });
});

/** A device, all of whose ways to change it are noted. */
function guarded() {
  const disk = new MemoryDisk(1000);
  /** @type {string[]} */ const calls = [];
  const device = new Proxy(disk.device, {
    get(target, name) {
      if (["write", "flush", "trim", "zero"].includes(String(name))) calls.push(String(name));
      const value = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  return { disk, calls, view: readOnlyView(device) };
}

test("a read-only view reads like its device", async () => {
  const { disk, calls, view } = guarded();
  assert.deepEqual(await view.read(5, 5), disk.bytes.slice(5, 10));
  assert.deepEqual(await view.readMany([{ offset: 1, length: 2 }]), [disk.bytes.slice(1, 3)]);
  assert.deepEqual(new Uint8Array(await view.slice(-2)), disk.bytes.slice(-2));
  for await (const chunk of view.stream()) assert.deepEqual(chunk, disk.bytes);
  assert.deepEqual(await view.blockStatus(0, 9), [{ offset: 0, length: 9, type: "data" }]);
  await view.flush();
  assert.equal(view.readOnly, true);
  assert.deepEqual(calls, []);
});

test("nothing write-like reaches the device through a read-only view, by whatever way", async () => {
  const { disk, calls, view } = guarded();
  const before = disk.bytes.slice();
  const loose = /** @type {any} */ (view);
  const writer = new MemoryDisk(1000);
  const attempts = [
    () => loose.write(0, bytes(1)), () => loose.write(0, bytes(1), { fua: true, transfer: true }), () => loose.write(0, bytes()),
    () => loose.trim(0, 1), () => loose.zero(0, 1), () => loose.zero(0, 0), () => loose.trim(0, 0), () => loose.zero(0, 1, { unmap: false }),
    () => Device.prototype.write.call(view, 0, bytes(1)), () => Device.prototype.zero.call(view, 0, 1),
    () => Object.getPrototypeOf(loose).trim.call(loose, 0, 1),
    () => writer.device.write.call(loose, 0, bytes(1)),
    () => Device.prototype.write.call(Object.create(view), 0, bytes(1)),
    () => Reflect.construct(Device, [loose], loose.constructor).write(0, bytes(1)),
    () => withCache(view).write(0, bytes(1)), () => region(view, { offset: 0, length: 9 }).zero(0, 1),
    () => loose.run(undefined, () => loose.write(0, bytes(1))),
  ];
  for (const attempt of attempts) await assert.rejects(async () => attempt(), (/** @type {any} */ e) => e instanceof TypeError || e.code === "READ_ONLY", String(attempt));
  // Nor by what it can be made to believe.
  try { Object.defineProperty(loose, "readOnly", { value: false }); } catch { /* as good */ }
  await assert.rejects(loose.write(0, bytes(1)), { code: "READ_ONLY" });
  // Nor do its parts lead to the device.
  for (let o = loose; o && o !== Object.prototype; o = Object.getPrototypeOf(o)) {
    for (const key of Reflect.ownKeys(o)) {
      const value = Reflect.get(o, key, view);
      if (value && typeof value === "object") assert.ok(!("write" in value) || value === Device.prototype, String(key));
    }
  }
  // Nor through what a read gave.
  (await view.read(0, 10)).fill(0);
  new Uint8Array(await view.slice()).fill(0);
  (await view.readMany([{ offset: 0, length: 10 }]))[0].fill(0);
  for await (const chunk of view.stream()) chunk.fill(0);
  view.blockSize.preferred = 1;
  assert.deepEqual([calls, disk.bytes, disk.device.blockSize.preferred], [[], before, 4096]);
  assert.deepEqual(disk.asked().filter((op) => !op.startsWith("read ")), []);
});

test("record notes what was read first, in order, and prefetch reads it", async () => {
  const disk = new MemoryDisk(3 * MiB + 100);
  const recorder = record(disk.device);
  await recorder.read(2 * MiB, 1);
  await recorder.readMany([{ offset: 65535, length: 2 }, { offset: 0, length: 10 }]);
  await recorder.read(3 * MiB + 99, 1);
  await recorder.read(2 * MiB, 5);
  for await (const _ of recorder.stream({ offset: MiB, length: 100_000, chunkSize: 10_000 }));
  await recorder.write(0, bytes(1));
  await recorder.read(0, 0);
  /** @type {import("../../client/layers/profile.js").Profile} */
  const profile = JSON.parse(JSON.stringify(recorder.profile()));
  assert.deepEqual(/** @type {unknown} */ (profile), { version: 1, size: 3 * MiB + 100, ranges: [[2 * MiB, 65536], [0, 131072], [3 * MiB, 100], [MiB, 131072]] });

  disk.asked();
  const cache = withCache(disk.device, { lineSize: 65536, readAhead: 0 });
  /** @type {number[]} */ const done = [];
  await prefetch(cache, profile, { onProgress: (p) => done.push(p.done, p.total) });
  assert.deepEqual(disk.asked(), ["read 2097152+65536", "read 0+131072", "read 3145728+100", "read 1048576+131072"]);
  assert.deepEqual(done.slice(-2), [327780, 327780]);
  await cache.read(0, 100_000);
  assert.deepEqual(disk.asked(), []);
});

test("prefetch refuses what is no profile of this device", async () => {
  const { device } = new MemoryDisk(1000);
  
  /** @type {import("../../client/layers/profile.js").Profile} */
  const good = { version: 1, size: 1000, ranges: [[0, 1000]] };
  await prefetch(device, good);
  for (const [bad, code] of /** @type {[any, string][]} */ ([
    [undefined, "INVALID_ARGUMENT"], [{}, "INVALID_ARGUMENT"], [{ ...good, version: 2 }, "INVALID_ARGUMENT"],
    [{ ...good, size: 999 }, "INVALID_ARGUMENT"], [{ ...good, ranges: "x" }, "INVALID_ARGUMENT"],
    [{ ...good, ranges: [[0, -1]] }, "INVALID_ARGUMENT"], [{ ...good, ranges: [null] }, "INVALID_ARGUMENT"],
    [{ ...good, ranges: [[0, 1001]] }, "OUT_OF_RANGE"], [{ ...good, ranges: [[0, 1000], [0, 1]] }, "INVALID_ARGUMENT"],
    [{ ...good, ranges: Array(70_000).fill([0, 0]) }, "INVALID_ARGUMENT"],
  ])) await assert.rejects(prefetch(device, bad), { code });
});
