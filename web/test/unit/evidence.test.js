// The page's side of an acquisition; its WebAssembly is in test/node22.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { afterEach, beforeEach, mock, test } from "node:test";
import { NbdError } from "../../client/errors.js";
import { acquire, imageOf, pass, textOf } from "../../client/evidence/index.js";
import { fakeAcquirer } from "./fake-acquirer.js";
import { FakeWorker, install, settled } from "./fake-worker.js";
import { MemoryDisk } from "./memory-disk.js";

const MiB = 1 << 20;

/** @typedef {import("../../client/evidence/index.js").Sink} Sink */
/** @typedef {import("../../client/evidence/index.js").State} State */

beforeEach(() => {
  install();
  FakeWorker.serve = fakeAcquirer;
});

/** Ended after each test: Node waits for handles. */
const disk = (size = 3 * MiB + 7) => disks[disks.push(new MemoryDisk(size)) - 1];
/** @type {MemoryDisk[]} */ let disks = [];

afterEach(async () => {
  await Promise.all(disks.map(({ device }) => device.close()));
  disks = [];
  const given = FakeWorker.made.flatMap(({ sent }) => sent.flatMap(({ args = [] }) => args.flat()));
  for (const port of given) if (port instanceof MessagePort) port.close(); // a Worker would have ended with its own
});

/** A sink in memory, of which tests replace methods. @param {Partial<Sink>} [own] */
function memorySink(own) {
  let content = Buffer.alloc(0);
  const sink = {
    write: async (/** @type {Uint8Array} */ bytes) => { content = Buffer.concat([content, bytes]); },
    skip: async (/** @type {number} */ n) => { content = Buffer.concat([content, Buffer.alloc(n)]); },
    sync: async () => {},
    size: async () => content.length,
    truncate: async (/** @type {number} */ n) => { content = content.subarray(0, n); },
    ...own,
  };
  return { sink, content: () => content };
}

/** @param {string} name @param {Uint8Array} bytes */
const sum = (name, bytes) => createHash(name).update(bytes).digest("hex");

/** Every Worker that was made has been ended. */
const allEnded = () => FakeWorker.made.every(({ terminated }) => terminated > 0);

/** A state as one of another page would be. @param {object} [more] */
const state = (more) => /** @type {State} */ (/** @type {any} */ ({
  offset: MiB, image: { format: "raw", disk: MiB, file: MiB }, hashes: {},
  log: { settings: { hashes: ["md5"], retries: 7, smallest: 512, skipHoles: true } }, ...more,
}));

test("an acquisition is written and hashed, and told of", async () => {
  const { device, bytes } = disk();
  const { sink, content } = memorySink();
  const outage = { start: "2026-01-01T00:00:00Z", reason: "a cable" };
  /** @type {State[]} */ const states = [];
  /** @type {number[]} */ const done = [];
  const log = await acquire(device, sink, {
    hashes: ["md5", "sha256"], facts: { case: { examiner: "E" }, image: { name: "a.img" } }, outages: () => [outage],
    onState: async (s) => { states.push(s); }, onProgress: (p) => { done.push(p.done); },
  });
  assert.deepEqual(log.hashes, { md5: sum("md5", bytes), sha256: sum("sha256", bytes) });
  assert.deepEqual(log.settings, { hashes: ["md5", "sha256"], retries: 2, smallest: 4096, skipHoles: true });
  assert.deepEqual([log.case.examiner, log.image, log.sessions[0].outages], ["E", { name: "a.img", format: "raw", size: bytes.length }, [outage]]);
  assert.ok(content().equals(bytes));
  assert.deepEqual([states.length, states[0].log.hashes, done.at(-1)], [1, log.hashes, bytes.length]);
  assert.equal(FakeWorker.made.length, 3);
  assert.ok(allEnded());
});

test("a sink is cut to nothing before, or to where the state was", async () => {
  const { device, bytes } = disk(MiB);
  const { sink, content } = memorySink();
  await sink.write(new Uint8Array(2 * MiB));
  await acquire(device, sink, { hashes: [] });
  assert.ok(content().equals(bytes));
  await sink.write(new Uint8Array(5));
  await acquire(device, sink, { from: state() });
  assert.ok(content().equals(Buffer.concat([bytes, bytes]))); // the fake reads from the begin
  await sink.truncate(MiB - 1);
  await assert.rejects(acquire(device, sink, { from: state() }), { code: "INVALID_ARGUMENT", message: /has 1048575 bytes, and the state goes on at 1048576/ });
  assert.ok(allEnded());
});

test("what was chosen at first counts, and must not differ", async () => {
  const { device } = disk();
  const { sink } = memorySink({ size: async () => MiB });
  const log = await acquire(device, sink, { from: state(), format: "raw", retries: 7 });
  assert.deepEqual(log.settings, { hashes: ["md5"], retries: 7, smallest: 512, skipHoles: true });
  for (const other of /** @type {any[]} */ ([{ format: "zstd" }, { hashes: ["sha1"] }, { retries: 2 }, { smallest: 4096 }, { skipHoles: false }])) {
    await assert.rejects(acquire(device, sink, { from: state(), ...other }), { code: "INVALID_ARGUMENT", message: new RegExp(`Option ${Object.keys(other)[0]} is not that of the state`) });
  }
});

test("what can't be meant is refused before anything starts", async () => {
  const { device } = disk();
  const { sink } = memorySink();
  FakeWorker.made = [];
  for (const [name, value] of /** @type {[string, any][]} */ ([
    ["format", "e01"], ["hashes", ["crc32"]], ["hashes", ["md5", "md5"]], ["hashes", "md5"], ["retries", -1], ["retries", 101], ["retries", 1.5],
    ["smallest", 256], ["smallest", 1000], ["smallest", 128 << 10], ["skipHoles", 1], ["onState", 1], ["outages", {}], ["onProgress", 1], ["signal", 1],
    ["facts", { a: 1n }], ["from", {}], ["from", 7], ["from", state({ offset: "1" })], ["from", state({ log: { settings: {}, status: "complete" } })], ["wasm", 1], ["worker", 1], ["other", 1],
  ])) await assert.rejects(acquire(device, sink, { [name]: value }), { code: "INVALID_ARGUMENT" }, `${name}: ${String(value)}`);
  await assert.rejects(acquire(/** @type {any} */ ({}), sink), { code: "INVALID_ARGUMENT" });
  await assert.rejects(acquire(device, /** @type {any} */ ({ write() {} })), { code: "INVALID_ARGUMENT", message: /storedSink, fileSink or streamSink/ });
  for (const [hashes, options] of /** @type {any[]} */ ([[[]], [["sha3"]], ["md5"], [["md5"], { zeros: 1 }], [["md5"], { skipHoles: 1 }], [["md5"], { onState: () => {} }]])) await assert.rejects(pass(device, hashes, options), { code: "INVALID_ARGUMENT" });
  await assert.rejects(imageOf(/** @type {any} */ ("e01"), device), { code: "INVALID_ARGUMENT" });
  await assert.rejects(textOf(/** @type {any} */ (null)), { code: "INVALID_ARGUMENT" });
  await assert.rejects(acquire(device, sink, { signal: AbortSignal.abort("no") }), (reason) => reason === "no");
  assert.equal(FakeWorker.made.length, 0);
});

test("failures of sinks and listeners come back as they were", async () => {
  const { device } = disk();
  const room = new NbdError("ENOSPC", "no room", {}, { stage: "client" });
  await assert.rejects(acquire(device, memorySink({ write: async () => { throw room; } }).sink), { code: "ENOSPC", message: "no room", stage: "client" });
  const own = new TypeError("mine");
  for (const options of [{ onState: async () => { throw own; } }, { onState: () => { throw own; } }, { outages: () => { throw own; } }]) {
    await assert.rejects(acquire(device, memorySink().sink, options), (error) => error === own);
  }
  assert.ok(allEnded());
});

test("the device's failures come through", async () => {
  const bad = disk();
  bad.gate = async () => { throw new NbdError("DISCONNECTED", "gone"); };
  await assert.rejects(acquire(bad.device, memorySink().sink), { code: "DISCONNECTED" });
  assert.ok(allEnded());
});

test("an abort is answered by the Worker, which has told its state", async () => {
  const { device } = disk();
  /** @type {(reason: unknown) => void} */ let stop = () => {};
  const controller = new AbortController();
  FakeWorker.serve = () => ({ ...fakeAcquirer(), acquire: () => new Promise((_, reject) => { stop = reject; controller.abort("enough"); }) });
  const acquiring = acquire(device, memorySink().sink, { signal: controller.signal });
  let ended = false;
  acquiring.catch(() => { ended = true; });
  await settled();
  await settled();
  assert.equal(ended, false);
  assert.ok(FakeWorker.made[0].sent.some((message) => "abort" in message));
  stop(new NbdError("CLOSED", "context canceled"));
  await assert.rejects(acquiring, (reason) => reason === "enough");
  assert.ok(allEnded());
});

test("an abort that is not answered ends it all the same", async () => {
  const { device } = disk();
  const controller = new AbortController();
  FakeWorker.serve = () => ({ ...fakeAcquirer(), acquire: () => new Promise(() => {}) });
  const acquiring = acquire(device, memorySink().sink, { signal: controller.signal, hashes: [] });
  while (!FakeWorker.made[0]?.last("acquire")) await settled();
  mock.timers.enable({ apis: ["setTimeout"] });
  controller.abort("enough");
  mock.timers.tick(10_000);
  mock.timers.reset();
  await assert.rejects(acquiring, (reason) => reason === "enough");
  assert.ok(allEnded());
});

for (const [which, message] of /** @type {[number, RegExp][]} */ ([[0, /Worker that acquires has died/], [1, /Worker that hashes sha256 has died/]])) {
  test(`the death of Worker ${which} is told, and ends the others`, async () => {
    const { device } = disk();
    FakeWorker.serve = () => ({ ...fakeAcquirer(), acquire: () => new Promise(() => {}) });
    const acquiring = acquire(device, memorySink().sink);
    while (!FakeWorker.made[0]?.last("acquire")) await settled();
    FakeWorker.made[which].say({ dead: new NbdError("WORKER", "a trap").toJSON() });
    await assert.rejects(acquiring, { code: "WORKER", message });
    assert.ok(allEnded());
  });
}

test("another program is told", async () => {
  const { device } = disk();
  FakeWorker.serve = () => ({ start: () => undefined, attach: () => { throw new TypeError("api[method] is not a function"); } });
  await assert.rejects(acquire(device, memorySink().sink), { code: "WASM_LOAD", message: /acquire\.wasm and evidence\/worker\.js/ });
  assert.ok(allEnded());
});

test("it ends when the sink has taken what it was given", async () => {
  const { device } = disk(MiB);
  /** @type {() => void} */ let release = () => {};
  let ended = false;
  const { sink } = memorySink({ write: () => new Promise((resolve) => { release = resolve; }) });
  /** @type {(reason: unknown) => void} */ let fail = () => {};
  FakeWorker.serve = () => ({ ...fakeAcquirer(), acquire: (/** @type {MessagePort} */ port) => new Promise((_, reject) => {
    port.postMessage({ id: 1, method: "write", args: [new Uint8Array(1)] });
    fail = (reason) => (port.close(), reject(reason));
  }) });
  const nothing = release;
  const acquiring = acquire(device, sink, { hashes: [] });
  acquiring.catch(() => { ended = true; });
  while (release === nothing) await settled();
  fail(new NbdError("DISCONNECTED", "gone"));
  while (!allEnded()) await settled();
  await settled();
  assert.equal(ended, false);
  release();
  await assert.rejects(acquiring, { code: "DISCONNECTED" });
});

test("a pass reads once more", async () => {
  const { device, bytes } = disk();
  let last = 0;
  assert.deepEqual(await pass(device, ["sha1", "md5"], { zeros: [], onProgress: ({ done }) => { last = done; } }), { sha1: sum("sha1", bytes), md5: sum("md5", bytes) });
  assert.equal(last, bytes.length);
  assert.ok(allEnded());
});

test("an image is a read-only device, which closes the one beneath", async () => {
  for (const format of /** @type {const} */ (["raw", "zstd"])) {
    const { device, bytes } = disk();
    const image = await imageOf(format, device);
    assert.deepEqual([image.size, image.readOnly], [bytes.length, true]);
    assert.deepEqual(await image.read(5, 2 * MiB), bytes.slice(5, 5 + 2 * MiB));
    await image.close();
    await assert.rejects(device.read(0, 1), { code: "CLOSED" });
    assert.ok(allEnded());
  }
});

test("a log has a text", async () => {
  assert.equal(await textOf(/** @type {any} */ ({ schema: "s", status: "complete" })), "Log of an acquisition\ncomplete");
  await assert.rejects(textOf(/** @type {any} */ ({})), { code: "INVALID_ARGUMENT" });
  assert.ok(allEnded());
});
