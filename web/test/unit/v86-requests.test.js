import assert from "node:assert/strict";
import { test } from "node:test";
import { NbdError } from "../../client/errors.js";
import { memoryStore } from "../../client/layers/index.js";
import { setCdrom, v86Disk } from "../../client/v86/index.js";
import { MemoryDisk, held } from "./memory-disk.js";
import { Answer, FakeEmulator, guestDisk, reading, sector, turn, writing } from "./fake-emulator.js";

const stub = (/** @type {Partial<import("../../client/device.js").BlockDevice>} */ what) => /** @type {any} */ ({ read() {}, readOnly: false, closed: new Promise(() => {}), blockSize: {}, ...what });

test("limits are refused with what to do", () => {
  const writable = new MemoryDisk(512).device;
  const readOnly = new MemoryDisk(512, { readOnly: true }).device;
  /** @type {[any, any, string, RegExp][]} */
  const cases = [
    [undefined, {}, "INVALID_ARGUMENT", /device/],
    [stub({ size: 0 }), {}, "INVALID_ARGUMENT", /multiple of 512.*region/],
    [stub({ size: 1000 }), {}, "INVALID_ARGUMENT", /1000 bytes.*multiple of 512/],
    [stub({ size: 2 ** 40 + 512 }), {}, "INVALID_ARGUMENT", /1 TiB.*region/],
    [readOnly, { writes: "through" }, "READ_ONLY", /readOnly: false/],
    [readOnly, { writes: "back" }, "READ_ONLY", /readOnly: false/],
    [writable, { writes: "sometimes" }, "INVALID_ARGUMENT", /"overlay", "through" or "back"/],
    [writable, { writes: "back", store: memoryStore() }, "INVALID_ARGUMENT", /store/],
    [writable, { store: {} }, "INVALID_ARGUMENT", /store/],
    [writable, { stallAfter: 0 }, "INVALID_ARGUMENT", /stallAfter/],
    [writable, { stallAfter: "5" }, "INVALID_ARGUMENT", /stallAfter/],
    [writable, { pause: {} }, "INVALID_ARGUMENT", /pause/],
    [writable, { cache: { lines: 1 } }, "INVALID_ARGUMENT", /lines/],
    [writable, { pauseOnStall: true }, "INVALID_ARGUMENT", /pauseOnStall/],
  ];
  for (const [device, options, code, message] of cases) {
    assert.throws(() => v86Disk(device, options), (/** @type {any} */ e) => e.code === code && message.test(e.message), String(message));
  }
  assert.equal(v86Disk(stub({ size: 2 ** 40 })).byteLength, 2 ** 40);
  v86Disk(readOnly);
});

test("load calls onload at once, and get_buffer gives nothing", () => {
  const { disk } = guestDisk();
  let loads = 0;
  disk.load();
  disk.onload = () => { loads++; };
  disk.load();
  assert.deepEqual([loads, disk.byteLength], [1, 65536]);
  /** @type {unknown[][]} */ const given = [];
  disk.get_buffer((...args) => given.push(args));
  assert.deepEqual(given, [[]]);
});

test("get answers once with what the device has", async () => {
  const { memory, disk, told } = guestDisk();
  const answer = new Answer();
  disk.get(512, 1024, answer.done);
  assert.equal(answer.all.length, 0); // never before it returns
  await turn();
  assert.deepEqual(answer.all, [memory.bytes.slice(512, 1536)]);
  assert.deepEqual(told, []);
});

test("what is behind the end reads as zeros, and what is nowhere is no answer", async () => {
  const { memory, disk, told, emulator } = guestDisk({}, { size: 2048 + 512 });
  const padded = new Uint8Array(2048);
  padded.set(memory.bytes.subarray(2048));
  assert.deepEqual(await reading(disk, 2048, 2048), padded);
  assert.deepEqual(await reading(disk, 8192, 2048), new Uint8Array(2048));
  const answer = new Answer();
  for (const [offset, length] of [[-2048, 2048], [0, 2 ** 32], [NaN, 512], [0, -1]]) disk.get(offset, length, answer.done);
  await turn();
  assert.deepEqual([answer.all, told], [[], Array(4).fill("error OUT_OF_RANGE")]);
  assert.equal(emulator.running, false);
});

test("get_and_cache remembers the first sector until it is written", async () => {
  const { memory, disk } = guestDisk();
  assert.equal(disk.get_from_cache(0, 512), undefined);
  const answer = new Answer();
  disk.get_and_cache(0, 512, answer.done);
  await turn();
  assert.deepEqual(answer.all, [memory.bytes.slice(0, 512)]);
  assert.deepEqual(disk.get_from_cache(0, 512), memory.bytes.slice(0, 512));
  assert.deepEqual(disk.get_from_cache(510, 2), memory.bytes.slice(510, 512));
  assert.equal(disk.get_from_cache(0, 1024), undefined);
  await writing(disk, 512, sector(1));
  assert.ok(disk.get_from_cache(0, 512));
  await writing(disk, 0, sector(1));
  assert.equal(disk.get_from_cache(0, 512), undefined);
});

test("an abort ends the read at the device, and nothing is answered any more", async () => {
  const { memory, disk, told, emulator } = guestDisk();
  const waiting = held(memory);
  const answer = new Answer();
  const [early, late] = [new AbortController(), new AbortController()];
  early.abort();
  disk.get(0, 512, answer.done, { signal: early.signal });
  disk.get(0, 512, answer.done, { signal: late.signal });
  await turn();
  assert.equal(waiting.length, 1);
  late.abort();
  waiting[0].go();
  await turn();
  await disk.quiesce();
  assert.deepEqual([answer.all, told, emulator.calls], [[], [], []]);
});

test("an abort ends the waiting for another attempt", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { memory, disk, told } = guestDisk();
  memory.gate = async () => { throw new NbdError("TIMEOUT", "no answer"); };
  const [answer, controller] = [new Answer(), new AbortController()];
  disk.get(0, 512, answer.done, { signal: controller.signal });
  await turn();
  controller.abort();
  await turn();
  for (let i = 0; i < 5; i++) {
    t.mock.timers.tick(2000);
    await turn();
  }
  assert.deepEqual([answer.all, told, memory.asked().length <= 2], [[], [], true]);
});

for (const code of /** @type {const} */ (["DISCONNECTED", "TIMEOUT", "UNKNOWN_OUTCOME", "ENOMEM"])) {
  test(`${code} is tried again, without a word`, async (t) => {
    t.mock.timers.enable({ apis: ["setTimeout"] });
    const { memory, disk, told, emulator } = guestDisk({ writes: "through" });
    let failures = 0;
    memory.gate = async ({ name }, when) => {
      if (when === "after" && name !== "flush" && failures++ < 4) throw new NbdError(code, "for now");
    };
    const [read, wrote] = [new Answer(), new Answer()];
    disk.get(0, 512, read.done);
    disk.set(1024, sector(7), wrote.done);
    for (let i = 0; i < 20; i++) {
      await turn();
      t.mock.timers.tick(200);
    }
    assert.deepEqual([read.all, wrote.all.length, failures >= 4], [[memory.bytes.slice(0, 512)], 1, true]);
    assert.deepEqual([told, emulator.calls], [[], []]);
    assert.deepEqual(memory.bytes.slice(1024, 1536), sector(7));
  });
}

test("a permanent error stops the emulator, and is told instead of answered", async () => {
  const failures = [new NbdError("EIO", "bad sector"), new Error("of another kind")];
  for (const failure of failures) {
    for (const request of ["get", "set"]) {
      const { memory, disk, told, emulator } = guestDisk({ writes: "through" });
      memory.gate = async () => { throw failure; };
      const answer = new Answer();
      if (request === "get") disk.get(0, 512, answer.done);
      else disk.set(0, sector(1), answer.done);
      await turn();
      assert.deepEqual([answer.all, told], [[], [`error ${failure instanceof NbdError ? "EIO" : "INTERNAL"}`]]);
      assert.deepEqual([emulator.calls, emulator.running], [["stop"], false]);
      await assert.rejects(disk.quiesce(), failure);
    }
  }
});

test("a guest that gave up a failed read can be saved again", async () => {
  const { memory, disk } = guestDisk();
  memory.gate = async () => { throw new NbdError("EIO", "bad sector"); };
  const controller = new AbortController();
  disk.get(0, 512, () => assert.fail(), { signal: controller.signal });
  await turn();
  await assert.rejects(disk.quiesce(), { code: "EIO" });
  controller.abort();
  await disk.quiesce();
});

test("a device that is lost ends the disk: what is retryable then is not tried again", async () => {
  const { memory, disk, told, emulator } = guestDisk();
  const lost = new NbdError("DISCONNECTED", "gone");
  memory.gate = async () => { throw lost; };
  const answer = new Answer();
  memory.lose(lost);
  assert.equal(await disk.closed, lost);
  disk.get(0, 512, answer.done);
  await turn();
  assert.deepEqual([answer.all, told, emulator.running], [[], ["closed DISCONNECTED", "error DISCONNECTED"], false]);
  await disk.close();
  assert.equal(told.length, 2); // nothing was to be written
});

test("close closes the device once, and tells", async () => {
  const { memory, disk, told } = guestDisk();
  await Promise.all([disk.close(), disk.close()]);
  assert.deepEqual([memory.closes, await disk.closed, told], [1, undefined, ["closed undefined"]]);
  disk.get(0, 512, () => assert.fail());
  await turn();
  assert.deepEqual(told.slice(1), ["error CLOSED"]);
});

test("what V86 throws out of done is not taken for a failure of the disk", async (t) => {
  const { disk, told } = guestDisk();
  /** @type {(() => void)[]} */ const later = [];
  t.mock.method(globalThis, "queueMicrotask", (/** @type {() => void} */ call) => later.push(call));
  disk.get(0, 512, () => { throw new Error("of the emulator"); });
  await turn();
  assert.equal(later.length, 1);
  assert.throws(later[0], /of the emulator/);
  assert.deepEqual(told, []);
});

test("on refuses what it does not know, and a signal takes the listener away", async () => {
  const { memory, disk } = guestDisk();
  assert.throws(() => disk.on(/** @type {any} */ ("stall"), () => {}), { code: "INVALID_ARGUMENT" });
  assert.throws(() => disk.on("stalled", /** @type {any} */ (1)), { code: "INVALID_ARGUMENT" });
  const controller = new AbortController();
  disk.on("error", () => assert.fail(), { signal: controller.signal });
  controller.abort();
  disk.on("error", () => assert.fail(), { signal: controller.signal });
  memory.gate = async () => { throw new NbdError("EIO", "no"); };
  disk.get(0, 512, () => assert.fail());
  await turn();
});

test("by default there is a cache between disk and device", async () => {
  const memory = new MemoryDisk(1 << 20);
  const disk = v86Disk(memory.device);
  await reading(disk, 0, 512);
  await reading(disk, 4096, 512);
  assert.deepEqual(memory.asked(), ["read 0+262144"]);
});

test("the CD-ROM of an emulator that runs is changed and taken out", () => {
  /** @type {unknown[]} */ const asked = [];
  const drive = { set_cdrom: (/** @type {unknown} */ disk) => asked.push(disk) };
  const emulator = Object.assign(new FakeEmulator(), { eject_cdrom: () => asked.push("eject"), v86: { cpu: { devices: { cdrom: drive } } } });
  const { disk } = guestDisk();
  setCdrom(emulator, disk);
  setCdrom(emulator, null);
  assert.deepEqual(asked, [disk, "eject"]);
  const odd = guestDisk({}, { size: 2048 + 512 }).disk;
  assert.throws(() => setCdrom(emulator, odd), { code: "INVALID_ARGUMENT", message: /2048/ });
  assert.throws(() => setCdrom(/** @type {any} */ (new FakeEmulator()), disk), { code: "INVALID_ARGUMENT", message: /emulator-ready/ });
  assert.throws(() => disk.buffer, { code: "INVALID_ARGUMENT", message: /setCdrom/ });
});
