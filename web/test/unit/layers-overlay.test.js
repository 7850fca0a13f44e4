import assert from "node:assert/strict";
import { test } from "node:test";
import { NbdError } from "../../client/errors.js";
import { memoryStore, withOverlay } from "../../client/layers/index.js";
import { MemoryDisk, held, settled } from "./memory-disk.js";

const bytes = (/** @type {number[]} */ ...values) => Uint8Array.from(values);
const zeros = (/** @type {number} */ n) => new Uint8Array(n);

/** Blocks of 512 bytes. */
function overlaid(size = 10_000, store = memoryStore({ blockSize: 512 }), readOnly = false) {
  const disk = new MemoryDisk(size, { readOnly });
  return { disk, store, original: disk.bytes.slice(), overlay: withOverlay(disk.device, store) };
}

test("options that can't be meant are refused", () => {
  for (const bad of [{ blockSize: 0 }, { blockSize: 256 }, { blockSize: 1000 }, { blockSize: 2 << 20 }, { blockSize: 2 ** 40 }, { limit: -1 }, { blocksize: 512 }, null]) {
    assert.throws(() => memoryStore(/** @type {any} */ (bad)), { code: "INVALID_ARGUMENT" }, JSON.stringify(bad));
  }
  const { device } = new MemoryDisk(1000);
  assert.throws(() => withOverlay(device, /** @type {any} */ (undefined)), { code: "INVALID_ARGUMENT" });
  assert.throws(() => withOverlay(device, Object.assign(memoryStore(), { size: 999 })), { code: "IDENTITY", message: /999 bytes/ });
});

test("what is written is read; the device stays as it was", async () => {
  const { disk, original, overlay } = overlaid(10_000, undefined, true);
  assert.equal(overlay.readOnly, false);
  const model = original.slice();
  for (const [offset, length] of [[0, 512], [1000, 1], [1023, 2], [5000, 1200], [9999, 1], [9728, 272], [600, 300], [0, 10_000]]) {
    const data = zeros(length).fill(offset % 251 + 1);
    await overlay.write(offset, data);
    model.set(data, offset);
    assert.deepEqual(await overlay.read(0, 10_000), model, `${offset}+${length}`);
  }
  assert.deepEqual(disk.bytes, original);
  assert.deepEqual(disk.asked().filter((op) => !op.startsWith("read ")), []);
});

test("whole blocks are written without reading, others read only what they need", async () => {
  const { disk, overlay } = overlaid();
  await overlay.write(512, zeros(1024));
  await overlay.write(9728, zeros(272));
  assert.deepEqual(disk.asked(), []);
  await overlay.write(2000, zeros(1000));
  assert.deepEqual(disk.asked(), ["read 1536+464", "read 3000+72"]);
  await overlay.write(4100, zeros(10));
  assert.deepEqual(disk.asked(), ["read 4096+512"]);
  await overlay.write(600, bytes(1));
  await overlay.read(512, 512);
  assert.deepEqual(disk.asked(), []);
  await overlay.read(0, 2048);
  assert.deepEqual(disk.asked(), ["read 0+512"]);
});

test("zero and trim", async () => {
  /** @type {[name: "zero" | "trim", offset: number, length: number, zeroed: [number, number][], dirty: [number, number, string][]][]} */
  const cases = [
    ["zero", 0, 10_000, [[0, 10_000]], [[0, 10_000, "zero"]]],
    ["zero", 100, 10, [[100, 110]], [[0, 512, "data"]]],
    ["zero", 500, 30, [[500, 530]], [[0, 1024, "data"]]],
    ["zero", 500, 1000, [[500, 1500]], [[0, 512, "data"], [512, 512, "zero"], [1024, 512, "data"]]],
    ["zero", 512, 600, [[512, 1112]], [[512, 512, "zero"], [1024, 512, "data"]]],
    ["zero", 9000, 1000, [[9000, 10_000]], [[8704, 512, "data"], [9216, 784, "zero"]]],
    ["trim", 0, 10_000, [[0, 10_000]], [[0, 10_000, "zero"]]],
    ["trim", 100, 500, [], []],
    ["trim", 100, 1000, [[512, 1024]], [[512, 512, "zero"]]],
    ["trim", 9729, 271, [], []],
    ["trim", 9728, 271, [], []],
    ["trim", 9728, 272, [[9728, 10_000]], [[9728, 272, "zero"]]],
  ];
  for (const [name, offset, length, zeroed, dirty] of cases) {
    const { original, overlay } = overlaid();
    await overlay[name](offset, length);
    const model = original.slice();
    for (const [from, to] of zeroed) model.fill(0, from, to);
    assert.deepEqual(await overlay.read(0, 10_000), model, `${name} ${offset}+${length}`);
    assert.deepEqual(overlay.dirty().map((e) => [e.offset, e.length, e.type]), dirty, `${name} ${offset}+${length}`);
  }
});

test("blockStatus is that of the device, but for what was changed", async () => {
  const { disk, overlay } = overlaid();
  disk.extents = [{ offset: 0, length: 5000, type: "hole" }, { offset: 5000, length: 5000, type: "data" }];
  await overlay.write(1024, zeros(512));
  await overlay.zero(4096, 2048);
  assert.deepEqual(await overlay.blockStatus(0, 10_000), [
    { offset: 0, length: 1024, type: "hole" }, { offset: 1024, length: 512, type: "data" }, { offset: 1536, length: 2560, type: "hole" },
    { offset: 4096, length: 2048, type: "zero" }, { offset: 6144, length: 3856, type: "data" },
  ]);
  disk.asked();
  assert.deepEqual(await overlay.blockStatus(1025, 10), [{ offset: 1025, length: 10, type: "data" }]);
  assert.deepEqual(disk.asked(), []);
});

test("commit writes the changes, flushes, and forgets them", async () => {
  const { disk, overlay } = overlaid();
  await overlay.write(500, bytes(1, 2, 3));
  await overlay.zero(1024, 1024);
  await overlay.write(9999, bytes(4));
  const model = await overlay.read(0, 10_000);
  disk.asked();
  /** @type {number[]} */ const done = [];
  await overlay.commit({ onProgress: (p) => done.push(p.done, p.total) });
  const asked = disk.asked();
  assert.equal(asked.pop(), "flush 0+0");
  assert.deepEqual(asked.sort(), ["write 0+512", "write 9728+272", "zero 1024+1024"]);
  assert.deepEqual(done.slice(-2), [1808, 1808]);
  assert.deepEqual([overlay.dirty(), disk.bytes], [[], model]);
  assert.deepEqual(await overlay.read(0, 10_000), model);
  await overlay.commit(); // of nothing
});

test("a commit cuts what is large", async () => {
  const { disk, overlay } = overlaid(3 << 20, memoryStore());
  await overlay.write(0, zeros((2 << 20) + 1).fill(1));
  disk.asked();
  await overlay.commit();
  assert.deepEqual(disk.asked(), ["write 0+1048576", "write 1048576+1048576", "write 2097152+4096", "flush 0+0"]);
});

test("a commit writes zeros where the device can't zero", async () => {
  const { disk, overlay } = overlaid(3 << 20, memoryStore());
  disk.gate = async ({ name }) => { if (name === "zero") throw new NbdError("ENOTSUP", "no"); };
  await overlay.zero(4096, 2 << 20);
  const model = await overlay.read(0, 3 << 20);
  disk.asked();
  await overlay.commit();
  assert.deepEqual(disk.asked(), ["zero 4096+2097152", "write 4096+1048576", "write 1052672+1048576", "flush 0+0"]);
  assert.deepEqual(disk.bytes, model);
});

test("a device that can't be flushed takes a commit too", async () => {
  const { disk, overlay } = overlaid();
  disk.gate = async ({ name }) => { if (name === "flush") throw new NbdError("ENOTSUP", "no"); };
  await overlay.write(0, bytes(1));
  await overlay.commit();
  assert.deepEqual([overlay.dirty(), disk.bytes[0]], [[], 1]);
});

test("a commit that fails, or is aborted, can be done again", async () => {
  for (const failing of ["write", "zero", "flush"]) {
    const { disk, overlay } = overlaid();
    for (let i = 0; i < 20; i += 2) await overlay.write(i * 512, bytes(i));
    await overlay.zero(512, 512);
    const [model, dirty] = [await overlay.read(0, 10_000), overlay.dirty()];
    let left = 1;
    disk.gate = async ({ name }, when) => { if (name === failing && when === "before" && --left === 0) throw new NbdError("EIO", "no"); };
    await assert.rejects(overlay.commit(), { code: "EIO" });
    assert.deepEqual([await overlay.read(0, 10_000), overlay.dirty()], [model, dirty]);
    await overlay.commit();
    assert.deepEqual([disk.bytes, overlay.dirty()], [model, []]);
  }
  const { disk, overlay } = overlaid();
  for (let i = 0; i < 20; i += 2) await overlay.write(i * 512, bytes(i));
  const controller = new AbortController();
  const waiting = held(disk, ({ name }) => name === "write");
  const committing = overlay.commit({ signal: controller.signal });
  await settled();
  controller.abort("enough");
  const reading = overlay.read(0, 1);
  await settled();
  assert.equal(waiting.length, 4); // no more, and none is left alone:
  for (const { go } of waiting) go();
  await assert.rejects(committing, (e) => e === "enough");
  assert.deepEqual(await reading, bytes(0));
  assert.equal(overlay.dirty().length, 10);
});

test("a read-only device takes no commit", async () => {
  const { overlay } = overlaid(1000, undefined, true);
  await overlay.write(0, bytes(1));
  await assert.rejects(overlay.commit(), { code: "READ_ONLY" });
  assert.equal((await overlay.read(0, 1))[0], 1);
  await assert.rejects(overlay.commit(/** @type {any} */ ({ force: true })), { code: "INVALID_ARGUMENT" });
});

test("reset forgets the changes", async () => {
  const { original, overlay } = overlaid();
  await overlay.write(100, zeros(3000));
  await overlay.zero(5000, 3000);
  await overlay.reset();
  assert.deepEqual([await overlay.read(0, 10_000), overlay.dirty()], [original, []]);
});

test("writes to parts of one block at once are all kept", async () => {
  const { disk, original, overlay } = overlaid();
  const waiting = held(disk);
  const writings = [0, 1, 2, 3].map((i) => overlay.write(i * 100, bytes(200 + i)));
  await settled();
  assert.equal(waiting.length, 1);
  disk.gate = async () => {};
  waiting[0].go();
  await Promise.all(writings);
  const model = original.slice();
  for (const i of [0, 1, 2, 3]) model[i * 100] = 200 + i;
  assert.deepEqual(await overlay.read(0, 10_000), model);
});

test("a slow read of the device does not hold up a write", async () => {
  const { disk, original, overlay } = overlaid();
  const waiting = held(disk);
  const reading = overlay.read(0, 512);
  await settled();
  await overlay.write(0, zeros(512));
  waiting[0].go();
  assert.deepEqual(await reading, original.slice(0, 512));
  assert.deepEqual(await overlay.read(0, 512), zeros(512));
});

test("a write that can't read the rest of its block changes nothing", async () => {
  const { disk, original, overlay } = overlaid();
  disk.gate = async () => { throw new NbdError("EIO", "no"); };
  await assert.rejects(overlay.write(0, bytes(1)), { code: "EIO" });
  held(disk);
  const controller = new AbortController();
  const writing = overlay.write(0, bytes(1), { signal: controller.signal });
  await settled();
  controller.abort("enough");
  await assert.rejects(writing, (e) => e === "enough");
  disk.gate = async () => {};
  assert.deepEqual([await overlay.read(0, 10_000), overlay.dirty()], [original, []]);
});

test("a store of limited size answers ENOSPC, and goes on", async () => {
  const { original, overlay } = overlaid(10_000, memoryStore({ blockSize: 512, limit: 2048 }));
  await overlay.write(0, zeros(2048));
  await assert.rejects(overlay.write(2048, bytes(1)), { code: "ENOSPC" });
  await assert.rejects(overlay.write(512, zeros(2048)), { code: "ENOSPC" });
  await overlay.write(0, zeros(2048).fill(1));
  await overlay.zero(0, 512);
  await overlay.write(2048, zeros(512));
  const model = original.slice();
  model.fill(0, 0, 512).fill(1, 512, 2048).fill(0, 2048, 2560);
  assert.deepEqual(await overlay.read(0, 10_000), model);
});

test("a store outlives its overlay", async () => {
  const { disk, store, overlay } = overlaid();
  await overlay.write(100, bytes(1));
  await overlay.zero(1024, 512);
  const model = await overlay.read(0, 10_000);
  assert.deepEqual(await withOverlay(disk.device, store).read(0, 10_000), model);
});

test("flush and fua flush the store, close closes it, then the device", async () => {
  const disk = new MemoryDisk(1000);
  /** @type {string[]} */ const calls = [];
  const store = Object.assign(memoryStore(), {
    flush: async () => { calls.push("flush"); },
    close: async () => { calls.push(`close ${disk.closes}`); throw new Error("no matter"); },
  });
  const overlay = withOverlay(disk.device, store);
  await overlay.flush();
  await overlay.write(0, bytes(1), { fua: true });
  await overlay.close();
  assert.deepEqual([calls, disk.closes], [["flush", "flush", "close 0"], 1]);
  await assert.rejects(overlay.reset(), { code: "CLOSED" });
});

test("close waits for a commit", async () => {
  const { disk, overlay } = overlaid();
  await overlay.write(0, zeros(512));
  const waiting = held(disk);
  const committing = overlay.commit();
  await settled();
  const closing = overlay.close();
  await settled();
  assert.equal(disk.closes, 0);
  disk.gate = async () => {};
  waiting[0].go();
  await committing;
  await closing;
});
