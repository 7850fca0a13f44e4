import assert from "node:assert/strict";
import { test } from "node:test";
import { Device } from "../../client/device.js";
import { NbdError } from "../../client/errors.js";
import { memoryStore, withOverlay } from "../../client/layers/index.js";
import { v86Disk } from "../../client/v86/index.js";
import { fakePage } from "./fake-page.js";
import { held } from "./memory-disk.js";
import { Answer, guestDisk, reading, sector, turn, writing } from "./fake-emulator.js";

const policies = /** @type {const} */ (["overlay", "through", "back"]);
/** What stands in the way of a write to the device: with an overlay, of one to its store. */
function holdWrites(/** @type {import("../../client/v86/index.js").V86DiskOptions["writes"]} */ writes) {
  const store = memoryStore({ blockSize: 512 });
  const parts = guestDisk({ writes, ...(writes === "overlay" && { store }) });
  if (writes !== "overlay") return { ...parts, waiting: held(parts.memory, ({ name }) => name === "write") };
  const write = store.write.bind(store);
  /** @type {{go: () => void}[]} */ const waiting = [];
  store.write = async (offset, bytes) => {
    await new Promise((resolve) => { waiting.push({ go: () => resolve(undefined) }); });
    await write(offset, bytes);
  };
  return { ...parts, waiting };
}

for (const writes of policies) {
  test(`${writes}: a write is read back before the device has it`, async () => {
    const { memory, disk, waiting } = holdWrites(writes);
    const model = memory.bytes.slice();
    for (const [offset, value, length] of [[512, 1, 1024], [1024, 2, 1024], [0, 3, 512], [8192, 4, 512]]) {
      disk.set(offset, sector(value, length), () => {});
      model.fill(value, offset, offset + length);
    }
    const ranges = [[0, 4096], [1024, 512], [512, 512], [7680, 2048], [1536, 512]];
    const reads = ranges.map(([offset, length]) => reading(disk, offset, length));
    for (let i = 0; writes === "overlay" && i < 4; i++) { // it lets reads wait for its store, which is near
      await turn();
      for (const { go } of waiting.splice(0)) go();
    }
    for (const [i, bytes] of (await Promise.all(reads)).entries()) {
      const [offset, length] = ranges[i];
      assert.deepEqual(bytes, model.slice(offset, offset + length), `${offset}+${length}`);
    }
  });

  test(`${writes}: the bytes are copied before set returns`, async () => {
    const { disk } = guestDisk({ writes });
    const drive = new Uint8Array(2048).fill(5); // a drive writes from its one buffer
    const written = writing(disk, 512, drive.subarray(512, 1024));
    drive.fill(6);
    await written;
    assert.deepEqual(await reading(disk, 512, 512), sector(5));
    await disk.quiesce();
    assert.deepEqual(await reading(disk, 0, 512), await reading(disk, 0, 512));
    assert.deepEqual(await reading(disk, 512, 512), sector(5));
  });

  test(`${writes}: of writes that overlap the last one stays`, async () => {
    const { disk, memory, waiting } = holdWrites(writes);
    const model = memory.bytes.slice();
    for (const [offset, value, length] of [[0, 1, 2048], [512, 2, 512], [1024, 3, 4096], [1536, 4, 512]]) {
      disk.set(offset, sector(value, length), () => {});
      model.fill(value, offset, offset + length);
    }
    const flushed = disk.flush();
    for (let i = 0; i < 4; i++) { // the youngest of those that got through first
      await turn();
      for (const { go } of waiting.splice(0).reverse()) go();
    }
    await flushed;
    assert.deepEqual(await reading(disk, 0, 8192), model.slice(0, 8192));
    if (writes !== "overlay") assert.deepEqual(memory.bytes, model);
  });
}

test("overlay: the device is never asked to change anything", async () => {
  const { memory, disk } = guestDisk();
  const before = memory.bytes.slice();
  await writing(disk, 1024, sector(1));
  await writing(disk, 0, sector(2, 8192));
  await disk.flush();
  await disk.quiesce();
  await disk.close();
  assert.deepEqual(memory.bytes, before);
  assert.deepEqual(memory.asked().filter((op) => !op.startsWith("read")), []);
});

test("overlay: a store keeps the blocks, is flushed by itself, and says when it is full", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const store = memoryStore({ limit: 4096 });
  let flushes = 0;
  store.flush = async () => { flushes++; };
  const { memory, disk, told } = guestDisk({ store });
  await writing(disk, 4096, sector(9));
  assert.equal(flushes, 0);
  t.mock.timers.tick(1000);
  await turn();
  assert.equal(flushes, 1);
  assert.deepEqual(await withOverlay(memory.device, store).read(4096, 512), sector(9));
  disk.set(16384, sector(1), () => assert.fail());
  await turn();
  assert.deepEqual(told, ["error ENOSPC"]);
});

test("through: done comes with the device's answer, and means durable where that is to be had", async () => {
  const { memory, disk, waiting } = holdWrites("through");
  /** @type {unknown[]} */ const asked = [];
  const { write } = memory.device;
  memory.device.write = (offset, bytes, options) => (asked.push(options?.fua), write.call(memory.device, offset, bytes, options));
  const answer = new Answer();
  disk.set(0, sector(1), answer.done);
  await turn();
  assert.deepEqual([answer.all.length, asked], [0, [true]]);
  waiting[0].go();
  await turn();
  assert.deepEqual([answer.all.length, memory.bytes.slice(0, 512)], [1, sector(1)]);
});

test("through: where nothing is durable, a write is done without", async () => {
  const { memory, disk, told } = guestDisk({ writes: "through" });
  /** @type {unknown[]} */ const asked = [];
  const { write } = memory.device;
  memory.device.write = async (offset, bytes, options) => {
    asked.push(options?.fua);
    if (options?.fua) throw new NbdError("ENOTSUP", "no flush");
    await write.call(memory.device, offset, bytes, options);
  };
  memory.device.flush = async () => { throw new NbdError("ENOTSUP", "no flush"); };
  await writing(disk, 0, sector(1));
  await writing(disk, 512, sector(1));
  await disk.quiesce();
  assert.deepEqual([asked, told], [[true, undefined, false], []]);
});

test("back: done comes at once, and the device gets it within a second", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { memory, disk } = guestDisk({ writes: "back" });
  await writing(disk, 0, sector(1));
  await writing(disk, 0, sector(2));
  t.mock.timers.tick(999);
  await turn();
  assert.deepEqual(memory.asked(), []);
  t.mock.timers.tick(1);
  await turn();
  assert.deepEqual(memory.asked(), ["write 0+512", "flush 0+0"]);
  assert.deepEqual(memory.bytes.slice(0, 512), sector(2));
});

test("back: half of what may wait is written at once, and more than that lets the guest wait", async () => {
  /** @type {((value?: any) => void)[]} */ const waiting = [];
  const device = new Device({
    size: 32 << 20,
    blockSize: { minimum: 1, preferred: 4096, maximumPayload: 1 << 25 },
    read: async (_, length) => new Uint8Array(length),
    write: () => new Promise((resolve) => { waiting.push(resolve); }),
  });
  const disk = v86Disk(device, { writes: "back", cache: false });
  await writing(disk, 0, sector(1, 4 << 20));
  assert.equal(waiting.length, 0);
  await writing(disk, 4 << 20, sector(2, 4 << 20));
  await turn();
  assert.equal(waiting.length, 2);
  const answer = new Answer();
  disk.set(8 << 20, sector(3), answer.done);
  await turn();
  assert.deepEqual([answer.all.length, waiting.length], [0, 3]);
  for (const go of waiting) go();
  await turn();
  assert.equal(answer.all.length, 1);
});

test("back: what can't be written is told and kept, and tried again by flush", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { memory, disk, told, emulator } = guestDisk({ writes: "back" });
  memory.gate = async ({ name, offset }) => { if (name === "write" && offset === 0) throw new NbdError("EIO", "bad sector"); };
  await writing(disk, 0, sector(1, 1024));
  t.mock.timers.tick(1000);
  await turn();
  assert.deepEqual([told, emulator.running], [["error EIO"], false]);
  await writing(disk, 512, sector(2, 1024)); // must not get there before the older one
  await assert.rejects(disk.flush(), { code: "EIO" });
  await assert.rejects(disk.quiesce(), { code: "EIO" });
  assert.deepEqual(await reading(disk, 0, 1536), new Uint8Array([...sector(1), ...sector(2, 1024)]));
  memory.gate = async () => {};
  await disk.flush();
  assert.deepEqual(memory.bytes.slice(0, 1536), new Uint8Array([...sector(1), ...sector(2, 1024)]));
});

test("back: close writes what is left, and tells what it could not", async (t) => {
  const good = guestDisk({ writes: "back" });
  await writing(good.disk, 0, sector(1));
  await good.disk.close();
  assert.deepEqual([good.memory.bytes.slice(0, 512), good.memory.asked(), good.told], [sector(1), ["write 0+512", "flush 0+0"], ["closed undefined"]]);
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const bad = guestDisk({ writes: "back" });
  held(bad.memory);
  await writing(bad.disk, 0, sector(1));
  const closed = bad.disk.close();
  await turn();
  t.mock.timers.tick(8000); // for the rest
  await turn();
  t.mock.timers.tick(8000); // for the device
  await closed;
  assert.deepEqual(bad.told, ["error TIMEOUT", "closed undefined"]);
});

test("back: a page that goes away flushes what is at risk", async (t) => {
  const { window } = fakePage(t);
  const { memory, disk } = guestDisk({ writes: "back" });
  window.dispatchEvent(new Event("pagehide"));
  await turn();
  assert.deepEqual(memory.asked(), []);
  await writing(disk, 0, sector(1));
  window.dispatchEvent(new Event("pagehide"));
  await turn();
  assert.deepEqual(memory.asked(), ["write 0+512", "flush 0+0"]);
  await disk.close();
});

test("back: nothing is accepted for a disk that has ended, and what was is told to be lost", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { memory, disk, emulator, told } = guestDisk({ writes: "back" });
  await writing(disk, 0, sector(1));
  memory.lose(new NbdError("DISCONNECTED", "gone"));
  await disk.closed;
  assert.deepEqual([told, emulator.running], [["error DISCONNECTED", "closed DISCONNECTED"], false]);
  disk.set(512, sector(2), () => assert.fail("it is not written"));
  await turn();
  assert.deepEqual(told.slice(2), ["error DISCONNECTED"]);
  t.mock.timers.tick(60_000);
  await turn();
  assert.equal(told.length, 3);
});

for (const writes of /** @type {const} */ (["overlay", "through"])) {
  test(`${writes}: of a disk that ends nothing is lost that was done`, async () => {
    const { memory, disk, told } = guestDisk({ writes });
    await writing(disk, 0, sector(1));
    memory.lose(new NbdError("DISCONNECTED", "gone"));
    await disk.closed;
    assert.deepEqual(told, ["closed DISCONNECTED"]);
  });
}

test("back: close flushes again what could not be flushed", async () => {
  const { memory, disk, told } = guestDisk({ writes: "back" });
  await writing(disk, 0, sector(1));
  memory.gate = async ({ name }) => { if (name === "flush") throw new NbdError("EIO", "no"); };
  await assert.rejects(disk.flush(), { code: "EIO" });
  memory.gate = async () => {};
  memory.asked();
  await disk.close();
  assert.deepEqual([memory.asked(), told], [["flush 0+0"], ["closed undefined"]]);
});
