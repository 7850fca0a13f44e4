import assert from "node:assert/strict";
import { test } from "node:test";
import { Device } from "../../client/device.js";
import { NbdError } from "../../client/errors.js";
import { v86Disk } from "../../client/v86/index.js";
import { MemoryDisk, held } from "./memory-disk.js";
import { Answer, FakeEmulator, guestDisk, sector, turn } from "./fake-emulator.js";

/** @typedef {import("node:test").TestContext} TestContext */

/** A disk whose requests wait, on a clock of the test's. @param {TestContext} t @param {import("../../client/v86/index.js").V86DiskOptions} [options] */
function waitingDisk(t, options) {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"] });
  const parts = guestDisk(options);
  return { ...parts, waiting: held(parts.memory) };
}

test("a late answer stops the emulator until it has come", async (t) => {
  const { disk, waiting, emulator, told } = waitingDisk(t);
  const answer = new Answer();
  disk.get(0, 512, answer.done);
  await turn();
  t.mock.timers.tick(4999);
  assert.deepEqual([told, emulator.running], [[], true]);
  t.mock.timers.tick(1);
  assert.deepEqual([told, emulator.running], [["stalled"], false]);
  t.mock.timers.tick(30_000);
  waiting[0].go();
  await turn();
  assert.deepEqual([told, emulator.running, answer.all.length], [["stalled", "resumed 35000"], true, 1]);
  assert.deepEqual(emulator.calls, ["stop", "run"]);
});

test("an answer in time stops nothing", async (t) => {
  const { disk, waiting, emulator, told } = waitingDisk(t, { stallAfter: 100 });
  for (let i = 0; i < 3; i++) {
    disk.get(0, 512, () => {});
    await turn();
    t.mock.timers.tick(99);
    waiting[i].go();
    await turn();
  }
  t.mock.timers.tick(1000);
  assert.deepEqual([told, emulator.calls], [[], []]);
});

test("an emulator that others have stopped stays as it is", async (t) => {
  const { disk, waiting, emulator, told } = waitingDisk(t);
  emulator.running = false;
  disk.get(0, 512, () => {});
  await turn();
  t.mock.timers.tick(5000);
  waiting[0].go();
  await turn();
  assert.deepEqual([told, emulator.calls], [["stalled", "resumed 5000"], []]);
});

test("it runs again only when the last of all late answers has come, of all its disks", async (t) => {
  const one = waitingDisk(t);
  const two = guestDisk();
  two.disk.attach(one.emulator);
  const others = held(two.memory);
  one.disk.get(0, 512, () => {});
  one.disk.get(512, 512, () => {});
  two.disk.get(0, 512, () => {});
  await turn();
  t.mock.timers.tick(5000);
  one.waiting[0].go();
  one.waiting[1].go();
  await turn();
  assert.deepEqual([one.told, two.told, one.emulator.calls], [["stalled", "resumed 5000"], ["stalled"], ["stop"]]);
  others[0].go();
  await turn();
  assert.deepEqual(one.emulator.calls, ["stop", "run"]);
});

test("what was given up is not waited for", async (t) => {
  const { disk, emulator, told } = waitingDisk(t);
  const controller = new AbortController();
  disk.get(0, 512, () => {}, { signal: controller.signal });
  await turn();
  t.mock.timers.tick(5000);
  controller.abort();
  await turn();
  assert.deepEqual([told, emulator.calls], [["stalled", "resumed 5000"], ["stop", "run"]]);
});

test("a stall that ends in a failure leaves the emulator stopped", async (t) => {
  const { disk, waiting, emulator, told } = waitingDisk(t);
  disk.get(0, 512, () => assert.fail());
  await turn();
  t.mock.timers.tick(5000);
  waiting[0].fail(new NbdError("EIO", "bad sector"));
  await turn();
  assert.deepEqual([told, emulator.running], [["stalled", "error EIO", "resumed 5000"], false]);
});

test("attempts that fail are a stall too", async (t) => {
  const { disk, memory, emulator, told } = waitingDisk(t);
  memory.gate = async () => { throw new NbdError("DISCONNECTED", "gone"); };
  const answer = new Answer();
  disk.get(0, 512, answer.done);
  for (let i = 0; i < 50; i++) {
    await turn();
    t.mock.timers.tick(100);
  }
  assert.deepEqual([told, emulator.running], [["stalled"], false]);
  memory.gate = async () => {};
  t.mock.timers.tick(2000);
  await turn();
  assert.deepEqual([answer.all.length, emulator.running], [1, true]);
});

test("the emulator may also be given as a function, or not at all", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"] });
  const emulator = new FakeEmulator();
  for (const pause of [() => emulator, () => undefined]) {
    const memory = new MemoryDisk(512);
    held(memory);
    v86Disk(memory.device, { cache: false, pause }).get(0, 512, () => {});
  }
  await turn();
  t.mock.timers.tick(5000);
  assert.deepEqual(emulator.calls, ["stop"]);
});

test("a guest that does not wait is stopped before its writes fill the memory", async () => {
  /** @type {((value?: any) => void)[]} */ const waiting = [];
  const device = new Device({
    size: 8 << 20,
    blockSize: { minimum: 1, preferred: 4096, maximumPayload: 1 << 25 },
    read: async (_, length) => new Uint8Array(length),
    write: () => new Promise((resolve) => { waiting.push(resolve); }),
  });
  const emulator = new FakeEmulator();
  const disk = v86Disk(device, { writes: "through", cache: false, pause: () => emulator });
  for (let i = 0; i < 5; i++) disk.set(0, new Uint8Array(8 << 20), () => {});
  await turn();
  assert.equal(emulator.running, true); // these are 40 MiB
  disk.set(0, sector(1, 1 << 20), () => {});
  assert.equal(emulator.running, false);
  for (let i = 0; i < 6; i++) {
    waiting[i]();
    await turn();
  }
  assert.deepEqual(emulator.calls, ["stop", "run"]);
});

test("a state that comes back while writes wait lets the emulator go", async () => {
  const { disk, emulator } = guestDisk({ writes: "overlay" }, { size: 64 << 20 });
  await disk.quiesce();
  const state = disk.get_state();
  for (let i = 0; i < 6; i++) disk.set(i * (8 << 20), new Uint8Array(8 << 20), () => {});
  assert.equal(emulator.running, false);
  disk.set_state(state);
  await disk.quiesce();
  assert.deepEqual(emulator.calls, ["stop", "run"]);
});
