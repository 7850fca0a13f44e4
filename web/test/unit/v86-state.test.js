import assert from "node:assert/strict";
import { test } from "node:test";
import { NbdError } from "../../client/errors.js";
import { memoryStore, withOverlay } from "../../client/layers/index.js";
import { saveState, v86Disk } from "../../client/v86/index.js";
import { MemoryDisk, held } from "./memory-disk.js";
import { Answer, FakeEmulator, guestDisk, reading, sector, turn, writing } from "./fake-emulator.js";

/** As V86 does: JSON with the bytes of typed arrays apart. @param {unknown} state */
function carried(state) {
  const plain = JSON.stringify(state, (_, value) => ArrayBuffer.isView(value)
    ? { type: value.constructor.name, bytes: Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("base64") }
    : value);
  return JSON.parse(plain, (_, value) => value?.type
    ? new /** @type {any} */ (globalThis)[value.type](new Uint8Array(Buffer.from(value.bytes, "base64")).buffer)
    : value);
}

/** @param {import("../../client/v86/index.js").V86Disk} disk */
async function saved(disk) {
  await disk.quiesce();
  return carried(disk.get_state());
}

const identity = "wss://bridge.example/nbd/vda vda 65536 sha256/abc";
/** @param {MemoryDisk} memory @param {string} [name] */
function named(memory, name = identity) {
  Object.defineProperty(memory.device, "identity", { value: name });
  return memory;
}

test("a state brings the overlay back over a fresh one, in stores of any block size", async () => {
  const one = guestDisk({ store: memoryStore({ blockSize: 512 }) });
  await writing(one.disk, 512, sector(1, 1024));
  await writing(one.disk, 60_416, sector(2, 5120)); // up to the end
  const state = await saved(one.disk);
  const two = guestDisk({ store: memoryStore({ blockSize: 8192 }) });
  await writing(two.disk, 16384, sector(9)); // of a life that is over
  two.disk.set_state(state);
  assert.deepEqual(await reading(two.disk, 0, 65536), await reading(one.disk, 0, 65536));
  assert.deepEqual(two.memory.asked().filter((op) => op.startsWith("write")), []);
  assert.deepEqual(await saved(two.disk).then((s) => s.slice(0, 4)), state.slice(0, 4));
});

test("zeros of an overlay are kept as such", async () => {
  const store = memoryStore();
  await store.zero(0, 32768);
  const state = await saved(guestDisk({ store }).disk);
  const { disk } = guestDisk();
  disk.set_state(state);
  assert.deepEqual(await reading(disk, 0, 32768), new Uint8Array(32768));
  assert.equal(state[5].byteLength, 0);
});

test("a state is of plain values", async () => {
  const { disk } = guestDisk();
  await writing(disk, 0, sector(1));
  await disk.quiesce();
  const state = disk.get_state();
  assert.ok(Array.isArray(state) && disk.constructor !== Object);
  assert.deepEqual(state.map((v) => Object(v) === v ? /** @type {any} */ (v).constructor : typeof v), ["string", "number", "string", "number", Float64Array, Uint8Array]);
});

test("a state of something else is refused, and nothing is answered until a fitting one comes", async () => {
  const good = await saved(guestDisk({}, { memory: named(new MemoryDisk(65536)) }).disk);
  const change = (/** @type {number} */ i, /** @type {unknown} */ value) => good.map((/** @type {unknown} */ v, /** @type {number} */ at) => at === i ? value : v);
  const blocks = (/** @type {number[]} */ ...numbers) => change(4, Float64Array.from(numbers));
  /** @type {[string, unknown, RegExp][]} */
  const cases = [
    ["of another disk", change(2, `${identity}2`), /another export/],
    ["of a disk that is known no more", change(2, ""), /another export/],
    ["of another size", change(3, 1024), /1024 bytes.*65536/],
    ["of another version", change(1, 2), /version/],
    ["of V86's own disks", [[], 4096], /another kind/],
    ["of nothing known", {}, /another kind/],
    ["cut short", good.slice(0, 5), /damaged/],
    ["without extents", change(4, [0, 512, 0]), /damaged/],
    ["with more blocks than bytes", blocks(0, 4096, 0), /damaged/],
    ["with fewer blocks than bytes", change(5, new Uint8Array(1)), /damaged/],
    ["with blocks beyond the end", blocks(65536, 512, 1), /damaged/],
    ["with blocks before the beginning", blocks(-512, 512, 1), /damaged/],
    ["with blocks out of order", blocks(4096, 512, 1, 0, 512, 1), /damaged/],
    ["with blocks of no length", blocks(0, 0, 1), /damaged/],
    ["with half numbers", blocks(0, 0.5, 1), /damaged/],
    ["with numbers that are none", blocks(NaN, NaN, 1), /damaged/],
    ["with blocks of no type", blocks(0, 512, 2), /damaged/],
    ["with a part of a block", blocks(0, 512), /damaged/],
  ];
  for (const [name, state, message] of cases) {
    const { disk, told, emulator } = guestDisk({}, { memory: named(new MemoryDisk(65536)) });
    assert.throws(() => disk.set_state(state), { code: "INVALID_ARGUMENT", message }, name);
    assert.deepEqual([told, emulator.running], [["error INVALID_ARGUMENT"], false], name);
    disk.get(0, 512, () => assert.fail());
    await turn();
    assert.equal(told.length, 2, name);
    disk.set_state(good);
    assert.equal((await reading(disk, 0, 512)).length, 512, name);
  }
});

test("changes of an overlay need one", async () => {
  const { disk } = guestDisk();
  const state = await saved(disk);
  guestDisk({ writes: "through" }).disk.set_state(state);
  await writing(disk, 0, sector(1));
  const changed = await saved(disk);
  assert.throws(() => guestDisk({ writes: "through" }).disk.set_state(changed), { code: "INVALID_ARGUMENT", message: /overlay/ });
});

test("more than a state can hold is refused", async () => {
  const store = memoryStore();
  store.extents = () => [{ offset: 0, length: 2 ** 31, type: "data" }];
  const { disk } = guestDisk({ store }, { memory: large(2 ** 32) });
  await assert.rejects(disk.quiesce(), { code: "ENOSPC" });
});

/** @param {number} size */
function large(size) {
  const memory = new MemoryDisk(512);
  Object.defineProperty(memory.device, "size", { value: size });
  return memory;
}

test("get_state wants quiesce right before", async () => {
  const { disk } = guestDisk();
  assert.throws(() => disk.get_state(), { code: "INVALID_ARGUMENT", message: /saveState/ });
  await disk.quiesce();
  disk.get_state();
  assert.throws(() => disk.get_state(), { code: "INVALID_ARGUMENT" });
  await disk.quiesce();
  await reading(disk, 0, 512);
  assert.throws(() => disk.get_state(), { code: "INVALID_ARGUMENT" });
});

test("quiesce waits for what is under way, writes what waits, and can be given up", async () => {
  const { memory, disk } = guestDisk({ writes: "back" });
  const waiting = held(memory, ({ name }) => name !== "write");
  await writing(disk, 512, sector(1));
  disk.get(0, 512, () => {});
  let quiet = false;
  const quiesced = disk.quiesce().then(() => { quiet = true; });
  await turn();
  assert.equal(quiet, false);
  await assert.rejects(disk.quiesce({ signal: AbortSignal.abort("enough") }), (e) => e === "enough");
  waiting[0].go();
  await turn();
  assert.deepEqual([quiet, memory.asked()], [false, ["read 0+512", "write 512+512", "flush 0+0"]]);
  waiting[1].go();
  await quiesced;
});

test("quiesce begins anew when the guest has asked for something meanwhile", async () => {
  const store = memoryStore();
  const { memory, disk } = guestDisk({ store });
  await writing(disk, 0, sector(1, 4096));
  const { read } = store;
  /** @type {((value?: any) => void)[]} */ const collecting = [];
  store.read = async (offset, length) => {
    await new Promise((resolve) => { collecting.push(resolve); });
    return read.call(store, offset, length);
  };
  const waiting = held(memory);
  let quiet = false;
  const quiesced = disk.quiesce().then(() => { quiet = true; });
  await turn();
  disk.get(8192, 512, () => {});
  collecting[0]();
  await turn();
  assert.deepEqual([quiet, collecting.length], [false, 1]);
  waiting[0].go();
  await turn();
  collecting[1]();
  await quiesced;
  assert.ok(Array.isArray(disk.get_state()));
});

test("a write that failed is not part of the life after a state came back", async () => {
  const { memory, disk, told } = guestDisk({ store: memoryStore({ blockSize: 4096 }) });
  const state = await saved(disk);
  memory.gate = async () => { throw new NbdError("EIO", "bad sector"); };
  disk.set(0, sector(1), () => assert.fail()); // reads the rest of its block
  await turn();
  assert.deepEqual(told, ["error EIO"]);
  memory.gate = async () => {};
  disk.set_state(state);
  assert.deepEqual(await reading(disk, 0, 512), memory.bytes.slice(0, 512));
});

test("what was under way when a state came back is not answered, and changes nothing any more", async () => {
  const { memory, disk, told } = guestDisk({ store: memoryStore({ blockSize: 4096 }) });
  const state = await saved(disk);
  const waiting = held(memory);
  const answer = new Answer();
  disk.get(0, 512, answer.done);
  disk.set(8192, sector(1), answer.done); // reads the rest of its block
  await turn();
  disk.set_state(state);
  const reads = reading(disk, 8192, 512);
  for (let i = 0; i < 8; i++) {
    for (const { go } of waiting.splice(0)) go();
    await turn();
  }
  assert.deepEqual(await reads, memory.bytes.slice(8192, 8704));
  assert.deepEqual([answer.all, told], [[], []]);
});

test("the state of an empty drive leaves a disk as it is", async () => {
  const { disk } = guestDisk();
  await writing(disk, 0, sector(1));
  disk.set_state(null);
  assert.deepEqual(await reading(disk, 0, 512), sector(1));
});

test("a state that can't be put back is told, and nothing is answered", async () => {
  const one = guestDisk();
  await writing(one.disk, 0, sector(1));
  const state = await saved(one.disk);
  const { disk, told } = guestDisk({ store: memoryStore({ limit: 0 }) });
  disk.set_state(state);
  await turn();
  assert.deepEqual(told, ["error ENOSPC"]);
  disk.get(0, 512, () => assert.fail());
  await turn();
});

test("saveState stops the emulator, waits for its disks, saves, and lets it run", async () => {
  const { memory, disk, emulator } = guestDisk();
  const waiting = held(memory);
  const stopped = new Promise((resolve) => { emulator.stopped = () => resolve(undefined); });
  const { stop } = emulator;
  emulator.stop = async () => {
    await stop.call(emulator);
    await stopped;
  };
  disk.get(0, 512, () => {});
  await turn();
  emulator.save = async () => {
    emulator.calls.push("save");
    disk.get_state();
    return new ArrayBuffer(7);
  };
  const saving = saveState(emulator, [disk]);
  await turn();
  assert.deepEqual(emulator.calls, ["stop"]);
  waiting[0].go();
  await turn();
  assert.deepEqual(emulator.calls, ["stop"]); // it takes its time
  emulator.stopped();
  assert.equal((await saving).byteLength, 7);
  assert.deepEqual(emulator.calls, ["stop", "save", "run"]);
});

test("saveState leaves an emulator that stands, and lets it go after a failure too", async () => {
  const stands = new FakeEmulator();
  stands.running = false;
  await saveState(stands, []);
  assert.deepEqual(stands.calls, []);
  const { memory, disk, emulator } = guestDisk();
  held(memory);
  disk.get(0, 512, () => {});
  await turn();
  await assert.rejects(saveState(emulator, [disk], { signal: AbortSignal.abort("enough") }), (e) => e === "enough");
  assert.deepEqual(emulator.calls, ["stop", "run"]);
  const failing = new MemoryDisk(512);
  failing.gate = async () => { throw new NbdError("EIO", "no"); };
  const broken = v86Disk(failing.device);
  broken.get(0, 512, () => assert.fail());
  await turn();
  await assert.rejects(saveState(emulator, [broken]), { code: "EIO" });
});

test("saveState does not wait for a stop of long ago, which V86 never told of", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"] });
  const { memory, disk, emulator } = guestDisk();
  const waiting = held(memory);
  emulator.stop = async () => {
    emulator.running = false;
    await new Promise(() => {}); // as where run() comes first
  };
  disk.get(0, 512, () => {});
  await turn();
  t.mock.timers.tick(5000);
  waiting[0].go();
  await turn();
  assert.equal(emulator.running, true);
  emulator.running = false;
  emulator.save = async () => new ArrayBuffer(7);
  const saving = saveState(emulator, []);
  assert.equal(/** @type {any} */ (await Promise.race([saving, turn().then(turn)]))?.byteLength, 7);
});

test("after a state that had no room a smaller one can be put back", async () => {
  const one = guestDisk();
  const small = await saved(one.disk);
  await writing(one.disk, 0, sector(1));
  const large = await saved(one.disk);
  const { memory, disk, told } = guestDisk({ store: memoryStore({ limit: 0 }) });
  disk.set_state(large);
  await turn();
  assert.deepEqual(told, ["error ENOSPC"]);
  disk.set_state(small);
  assert.deepEqual(await reading(disk, 0, 512), memory.bytes.slice(0, 512));
  await disk.quiesce();
  assert.equal(told.length, 1);
});

test("a large overlay is collected in small pieces", async () => {
  const store = memoryStore();
  let longest = 0;
  const { read } = store;
  store.read = (offset, length) => (longest = Math.max(longest, length), read.call(store, offset, length));
  const { disk } = guestDisk({ store }, { size: 8 << 20 });
  await writing(disk, 0, sector(3, 5 << 20));
  await writing(disk, 7 << 20, sector(4, 4096));
  const state = await saved(disk);
  assert.deepEqual([state[5].byteLength, state[5][0], state[5].at(-1)], [(5 << 20) + 4096, 3, 4]);
  assert.equal(longest, 1 << 20);
});

test("saveState gives up where somebody runs the emulator that it stops", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const emulator = new FakeEmulator();
  emulator.stop = () => new Promise(() => {}); // as where run() comes first
  const saving = saveState(emulator, []);
  await turn();
  t.mock.timers.tick(10_000);
  await assert.rejects(saving, { code: "TIMEOUT", message: /has not stopped/ });
});

test("a state is put back as a whole or not at all", async () => {
  const one = guestDisk();
  for (const at of [0, 8192]) await writing(one.disk, at, sector(1, 4096));
  const state = await saved(one.disk);
  const store = memoryStore({ limit: 4096 });
  const { memory, disk, told } = guestDisk({ store });
  await writing(disk, 16384, sector(9, 4096));
  disk.set_state(state);
  await turn();
  assert.deepEqual(told, ["error ENOSPC"]);
  const overlay = withOverlay(memory.device, store); // as after a reload, with a store that is kept
  assert.deepEqual(overlay.dirty(), [{ offset: 16384, length: 4096, type: "data" }]);
  assert.deepEqual(await overlay.read(16384, 4096), sector(9, 4096));
});
