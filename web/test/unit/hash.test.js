// How a device gets to the Workers that hash it; the hashes proper are in test/node22.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { beforeEach, test } from "node:test";
import { hash } from "../../client/copy/index.js";
import { NbdError } from "../../client/index.js";
import { fakeHasher } from "./fake-hasher.js";
import { FakeWorker, install, settled } from "./fake-worker.js";
import { MemoryDisk } from "./memory-disk.js";

const MiB = 1 << 20;

beforeEach(() => {
  install();
  FakeWorker.serve = fakeHasher;
});

/** A disk with a hole, of which its block status tells. */
function holed() {
  const disk = new MemoryDisk(16 * MiB + 5);
  disk.bytes.fill(0, 2 * MiB, 12 * MiB);
  disk.extents = [{ offset: 0, length: 2 * MiB, type: "data" }, { offset: 2 * MiB, length: 10 * MiB, type: "hole" }, { offset: 12 * MiB, length: 4 * MiB + 5, type: "data" }];
  return disk;
}

/** @param {string} name @param {Uint8Array} bytes */
const sum = (name, bytes) => createHash(name).update(bytes).digest("hex");

/** @param {MemoryDisk} disk */
const sumsOf = ({ bytes }) => ({ md5: sum("md5", bytes), sha1: sum("sha1", bytes), sha256: sum("sha256", bytes) });

test("each algorithm has a Worker; the device is read once, and zeros are told", async () => {
  const disk = holed();
  assert.deepEqual(await hash(disk.device, ["md5", "sha1", "sha256"]), sumsOf(disk));
  assert.equal(FakeWorker.made.length, 3);
  assert.equal(disk.log.filter(({ name }) => name === "read").reduce((all, { length }) => all + length, 0), 6 * MiB + 5);
  for (const { sent, terminated } of FakeWorker.made) {
    assert.deepEqual(sent.filter(({ method }) => method === "zeros").map(({ args }) => args[0] / MiB), [4, 4, 2]);
    assert.equal(terminated, 1);
  }
});

test("a Worker has four pieces under way at most, and the slowest sets the pace", async () => {
  FakeWorker.serve = () => ({ ...fakeHasher(), ...(FakeWorker.made.length === 1 && { write: () => new Promise(() => {}) }) });
  const disk = new MemoryDisk(32 * MiB);
  const hashing = hash(disk.device, ["md5", "sha1"]);
  for (let i = 0; i < 50; i++) await settled();
  for (const { sent } of FakeWorker.made) assert.equal(sent.filter(({ method }) => method === "write").length, 4);
  assert.ok(disk.log.filter(({ name }) => name === "read").length <= 12);
  FakeWorker.made[1].onerror({ message: "it fell" });
  await assert.rejects(hashing, { code: "WORKER" });
});

/** @param {MemoryDisk} disk @param {any} [options] */
async function interrupted(disk, options) {
  /** @type {any[]} */ const states = [];
  const error = await hash(disk.device, ["md5", "sha256"], { ...options, onState: (state) => states.push(state) }).then(() => assert.fail("it did not stop"), (reason) => reason);
  assert.ok(FakeWorker.made.every(({ terminated }) => terminated));
  return { error, states };
}

test("a bad sector ends it with its offset, and it goes on from there", async () => {
  const disk = holed();
  disk.gate = async ({ name, offset }) => { if (name === "read" && offset >= 14 * MiB) throw new NbdError("EIO", "a bad sector", { offset }); };
  const { error, states } = await interrupted(disk);
  assert.deepEqual([error.code, error.offset, states.length, states[0].offset], ["EIO", 14 * MiB, 1, 14 * MiB]);
  disk.gate = async () => {};
  const begin = disk.log.length;
  const sums = await hash(disk.device, ["sha256"], { from: JSON.parse(JSON.stringify(states[0])) });
  assert.deepEqual(sums, { sha256: sumsOf(disk).sha256 });
  assert.ok(disk.log.slice(begin).every(({ offset }) => offset >= 14 * MiB));
});

test("an abort rejects with its reason, and it goes on as if nothing had been", async () => {
  for (const after of [0, MiB, 12 * MiB, 15 * MiB]) {
    const disk = holed();
    const [controller, reason] = [new AbortController(), new Error("enough")];
    disk.gate = async ({ name, offset }, when) => { if (name === "read" && when === "after" && offset >= after) controller.abort(reason); };
    const { error, states } = await interrupted(disk, { signal: controller.signal });
    assert.equal(error, reason);
    assert.equal(states.length, 1);
    disk.gate = async () => {};
    const { md5, sha256 } = sumsOf(disk);
    assert.deepEqual(await hash(disk.device, ["sha256", "md5"], { from: states[0] }), { sha256, md5 });
  }
});

test("a listener that throws does not keep the state behind the hashes", async (t) => {
  let now = 0;
  t.mock.method(performance, "now", () => now += 1000);
  const disk = holed();
  const { error, states } = await interrupted(disk, { onProgress: () => { throw new Error("a bug"); } });
  assert.deepEqual([error.message, states.length], ["a bug", 1]);
  t.mock.restoreAll();
  assert.deepEqual(await hash(disk.device, ["md5"], { from: states[0] }), { md5: sumsOf(disk).md5 });
});

test("a Worker that can't be made ends it, and leaves no failure that nobody handles", async () => {
  let made = 0;
  const worker = () => {
    if (++made === 3) throw new TypeError("no more");
    return /** @type {any} */ (new FakeWorker());
  };
  await assert.rejects(hash(holed().device, ["md5", "sha1", "sha256"], { worker }), { code: "WASM_LOAD" });
  assert.ok(FakeWorker.made.every(({ terminated }) => terminated));
  await settled(); // the runner fails the test for what is unhandled
});

test("a Worker that dies ends it, and tells no state that is not of all", async () => {
  const disk = new MemoryDisk(16 * MiB);
  disk.gate = async ({ name, offset }, when) => {
    if (name === "read" && when === "before" && offset === 12 * MiB) FakeWorker.made[1].onerror({ message: "out of memory" });
  };
  const { error, states } = await interrupted(disk);
  assert.equal(error.code, "WORKER");
  assert.match(error.message, /sha256/);
  assert.match(error.cause.message, /out of memory/);
  assert.deepEqual(states, []);
});

test("a Worker that fails and lives on has no state that is of all", async () => {
  FakeWorker.serve = () => ({ ...fakeHasher(), ...(FakeWorker.made.length === 1 && { write: () => { throw new TypeError("a bug"); } }) });
  const { error, states } = await interrupted(new MemoryDisk(4 * MiB));
  assert.deepEqual([error.code, states], ["INTERNAL", []]);
});

test("a Worker that does not start ends it", async () => {
  FakeWorker.serve = () => ({ ...fakeHasher(), start: () => { throw new NbdError("WASM_LOAD", "there is none"); } });
  const { error } = await interrupted(holed());
  assert.equal(error.code, "WASM_LOAD");
});

test("the WASM of something else is found out", async () => {
  FakeWorker.serve = () => ({ ...fakeHasher(), begin: () => { throw new TypeError("api[method] is not a function"); } });
  const { error } = await interrupted(holed());
  assert.equal(error.code, "WASM_LOAD");
  assert.match(error.message, /another program/);
});

test("an abort while the Workers start ends them", async () => {
  FakeWorker.serve = () => ({ ...fakeHasher(), start: () => new Promise(() => {}) });
  const controller = new AbortController();
  const hashing = interrupted(holed(), { signal: controller.signal });
  await settled();
  controller.abort("enough");
  assert.equal((await hashing).error, "enough");
});

test("progress ends with all done", async () => {
  const disk = holed();
  /** @type {any[]} */ const told = [];
  await hash(disk.device, ["md5"], { onProgress: (p) => told.push(p) });
  const { done, total, skipped } = told.at(-1);
  assert.deepEqual({ done, total, skipped }, { done: 16 * MiB + 5, total: 16 * MiB + 5, skipped: 10 * MiB });
});

test("what can't be meant is refused before a Worker starts", async () => {
  const { device } = holed();
  const state = { offset: 1, size: device.size, hashes: { md5: "00" } };
  /** @type {[any, any, any, string][]} */ const cases = [
    [{}, ["md5"], {}, "INVALID_ARGUMENT"],
    [device, [], {}, "INVALID_ARGUMENT"],
    [device, "md5", {}, "INVALID_ARGUMENT"],
    [device, ["md4"], {}, "INVALID_ARGUMENT"],
    [device, ["md5", "md5"], {}, "INVALID_ARGUMENT"],
    [device, ["md5"], { skipHoles: true }, "INVALID_ARGUMENT"],
    [device, ["md5"], { from: {} }, "INVALID_ARGUMENT"],
    [device, ["md5", "sha1"], { from: state }, "INVALID_ARGUMENT"],
    [device, ["md5"], { from: { ...state, size: 1 } }, "INVALID_ARGUMENT"],
    [device, ["md5"], { from: { ...state, offset: device.size + 1 } }, "OUT_OF_RANGE"],
    [device, ["md5"], { from: { ...state, hashes: { md5: "xy" } } }, "INVALID_ARGUMENT"],
    [device, ["md5"], { from: { ...state, hashes: { md5: "00".repeat(1000) } } }, "INVALID_ARGUMENT"],
  ];
  for (const [from, names, options, code] of cases) await assert.rejects(hash(from, names, options), { code });
  await assert.rejects(hash(device, ["md5"], { signal: AbortSignal.abort("before") }), (reason) => reason === "before");
  assert.equal(FakeWorker.made.length, 0);
  await assert.rejects(hash(device, ["md5"], { from: state }), { code: "INVALID_ARGUMENT" }, "what only the Worker knows");
});
