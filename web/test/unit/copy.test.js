import assert from "node:assert/strict";
import { test } from "node:test";
import { copy } from "../../client/copy/index.js";
import { NbdError } from "../../client/index.js";
import { MemoryDisk, held, settled } from "./memory-disk.js";

const MiB = 1 << 20;

/** @typedef {import("../../client/copy/index.js").CopyState} CopyState */
/** @typedef {import("../../client/ranges.js").Extent} Extent */

/**
 * A disk with zeros in it, of which its block status tells.
 * @param {number} size @param {[offset: number, length: number, type: "hole" | "zero"][]} zeros
 */
function sparse(size, ...zeros) {
  const disk = new MemoryDisk(size);
  /** @type {Extent[]} */ const extents = [];
  let at = 0;
  for (const [offset, length, type] of zeros) {
    if (offset > at) extents.push({ offset: at, length: offset - at, type: "data" });
    extents.push({ offset, length, type });
    disk.bytes.fill(0, offset, at = offset + length);
  }
  if (at < size) extents.push({ offset: at, length: size - at, type: "data" });
  disk.extents = extents;
  return disk;
}

const holes = () => sparse(20 * MiB + 7, [0, MiB, "hole"], [3 * MiB + 1, 5 * MiB, "zero"], [10 * MiB, 4096, "hole"], [19 * MiB, MiB + 7, "hole"]);

/** A disk full of what has to go. @param {number} size */
function target(size, options = {}) {
  const disk = new MemoryDisk(size, options);
  disk.bytes.fill(0xee);
  return disk;
}

/** A stream that keeps what it gets. @param {(chunk: Uint8Array) => unknown} [gate] */
function collector(gate = () => {}) {
  /** @type {Uint8Array[]} */ const chunks = [];
  const stream = new WritableStream({ write: async (/** @type {Uint8Array<ArrayBuffer>} */ chunk) => {
    await gate(chunk);
    chunks.push(chunk);
  } });
  return { stream, bytes: () => Buffer.concat(chunks) };
}

/** A file's stream, as far as copy uses it. */
class FakeFile {
  bytes = Buffer.alloc(0);
  /** @type {string[]} */ log = [];
  fails = async (/** @type {string} */ _) => {};
  seek() {}
  async truncate(/** @type {number} */ size) {
    this.log.push(`truncate ${size}`);
    await this.fails("truncate");
    this.bytes = Buffer.concat([this.bytes.subarray(0, size), Buffer.alloc(Math.max(size - this.bytes.length, 0))]);
  }
  async write(/** @type {any} */ { type, position, data }) {
    assert.equal(type, "write");
    this.log.push(`write ${position}+${data.length}`);
    await this.fails("write");
    this.bytes.set(data, position);
  }
}

/** @param {Uint8Array} got @param {Uint8Array} want */
const same = (got, want) => assert.ok(Buffer.compare(got, want) === 0, "other bytes");

test("a device becomes another: data is read, zeros are not", async () => {
  const [source, sink] = [holes(), target(21 * MiB)];
  const report = await copy(source.device, sink.device);
  same(sink.bytes.subarray(0, source.bytes.length), source.bytes);
  assert.ok(sink.bytes.subarray(source.bytes.length).every((b) => b === 0xee), "what is behind it stays");
  assert.deepEqual({ ...report, milliseconds: 0 }, { copied: 13 * MiB, skipped: 7 * MiB + 7, milliseconds: 0 });
  assert.equal(source.log.filter(({ name }) => name === "read").reduce((sum, { length }) => sum + length, 0), 13 * MiB);
  assert.deepEqual(sink.log.filter(({ name }) => name === "zero").map(({ offset }) => offset), [0, 3 * MiB + 1, 19 * MiB], "what is short is written");
  assert.equal(sink.asked().at(-1), "flush 0+0");
});

test("without skipHoles all is read", async () => {
  const [source, sink] = [holes(), target(20 * MiB + 7)];
  const { copied, skipped } = await copy(source.device, sink.device, { skipHoles: false });
  same(sink.bytes, source.bytes);
  assert.deepEqual([copied, skipped], [source.bytes.length, 0]);
  assert.ok(!source.log.some(({ name }) => name === "blockStatus"));
});

test("holes stay holes, and what is allocated stays so", async () => {
  const source = holes();
  /** @type {any[]} */ const zeroed = [];
  const sink = { size: 21 * MiB, write: async () => {}, flush: async () => {}, zero: async (/** @type {any[]} */ ...args) => zeroed.push([args[0], args[2].unmap]) };
  await copy(source.device, /** @type {any} */ (sink));
  assert.deepEqual(zeroed, [[0, true], [3 * MiB + 1, false], [19 * MiB, true]]);
});

test("a sink that can't zero gets zeros", async () => {
  const [source, sink] = [holes(), target(20 * MiB + 7)];
  const { device } = sink;
  const unable = { size: device.size, write: device.write.bind(device), flush: device.flush.bind(device), zero: async () => { throw new NbdError("ENOTSUP", "it can't"); } };
  await copy(source.device, /** @type {any} */ (unable));
  same(sink.bytes, source.bytes);
});

test("a stream gets every byte, in order, and stays open", async () => {
  const source = holes();
  const { stream, bytes } = collector();
  const { copied, skipped } = await copy(source.device, stream);
  same(bytes(), source.bytes);
  assert.deepEqual([copied, skipped], [13 * MiB, 7 * MiB + 7]);
  assert.ok(!stream.locked);
  await stream.close();
});

test("a file is cut to its length, and its holes are not written", async () => {
  const [source, file] = [holes(), new FakeFile()];
  file.bytes = Buffer.alloc(30 * MiB, 0xee);
  await copy(source.device, /** @type {any} */ (file));
  same(file.bytes, source.bytes);
  assert.deepEqual(file.log.slice(0, 2), ["truncate 0", `truncate ${source.bytes.length}`]);
  assert.equal(file.log.filter((entry) => entry.startsWith("write")).length, 14);
});

test("reads go on while the sink writes, and no further than the window", async () => {
  const source = new MemoryDisk(64 * MiB);
  let [most, written] = [0, 0];
  const { stream, bytes } = collector(async () => {
    await settled();
    most = Math.max(most, source.log.filter(({ name }) => name === "read").length - written++);
  });
  await copy(source.device, stream);
  same(bytes(), source.bytes);
  assert.ok(most > 6 && most <= 12, `${most} MiB were read ahead`);
});

test("writes to a device overlap, at most eight", async () => {
  const [source, sink] = [new MemoryDisk(32 * MiB), target(32 * MiB)];
  const waiting = held(sink, ({ name }) => name === "write");
  const copying = copy(source.device, sink.device);
  for (let written = 0; written < 32; written++) {
    for (let i = 0; i < 10; i++) await settled();
    assert.equal(waiting.length, Math.min(8, 32 - written));
    waiting.shift()?.go();
  }
  await copying;
  same(sink.bytes, source.bytes);
});

/**
 * Copies until the gate of something fails, and then from the state told.
 * @param {MemoryDisk} source @param {any} sink @param {import("../../client/copy/index.js").CopyOptions} [options]
 */
async function interrupted(source, sink, options) {
  /** @type {CopyState[]} */ const states = [];
  const error = await copy(source.device, sink, { ...options, onState: (state) => states.push(state) }).then(() => assert.fail("it did not stop"), (reason) => reason);
  assert.equal(states.length, 1, "one state is told");
  return { error, state: JSON.parse(JSON.stringify(states[0])) };
}

/** Fails once. @param {string} name @param {number} at */
function failing(name, at) {
  let failed = false;
  return async (/** @type {import("./memory-disk.js").Op} */ op, /** @type {string} */ when) => {
    if (failed || when !== "before" || op.name !== name || op.offset < at) return;
    failed = true;
    throw new NbdError("EIO", "a bad sector", { offset: op.offset });
  };
}

test("a bad sector ends it with its offset, and it goes on from there", async () => {
  const [source, sink] = [holes(), target(20 * MiB + 7)];
  source.gate = failing("read", 15 * MiB);
  const { error, state } = await interrupted(source, sink.device);
  assert.deepEqual([error.code, error.offset], ["EIO", state.offset]);
  assert.ok(state.offset >= 14 * MiB);
  same(sink.bytes.subarray(0, state.offset), source.bytes.subarray(0, state.offset));
  const begin = source.log.length;
  const { copied, skipped } = await copy(source.device, sink.device, { from: state });
  same(sink.bytes, source.bytes);
  assert.equal(copied + skipped, source.bytes.length - state.offset);
  assert.ok(source.log.slice(begin).every(({ offset }) => offset >= state.offset));
});

test("a sink that fails ends it, and all before the state is in the sink", async () => {
  const [source, sink] = [holes(), target(20 * MiB + 7)];
  sink.gate = failing("write", 12 * MiB);
  const { error, state } = await interrupted(source, sink.device);
  assert.equal(error.code, "EIO");
  assert.ok(state.offset >= 11 * MiB && state.offset <= error.offset);
  same(sink.bytes.subarray(0, state.offset), source.bytes.subarray(0, state.offset));
  await copy(source.device, sink.device, { from: state });
  same(sink.bytes, source.bytes);
});

for (const [title, make] of /** @type {[string, (source: MemoryDisk) => {sink: any, content: () => Uint8Array}][]} */ ([
  ["a device", (source) => {
    const disk = target(source.bytes.length);
    return { sink: disk.device, content: () => disk.bytes };
  }],
  ["a stream", () => {
    const { stream, bytes } = collector(settled);
    return { sink: stream, content: bytes };
  }],
  ["a file", () => {
    const file = new FakeFile();
    return { sink: file, content: () => file.bytes };
  }],
])) {
  test(`an abort rejects with its reason, and ${title} goes on as if nothing had been`, async () => {
    for (const after of [0, 2 * MiB, 9 * MiB, 18 * MiB]) {
      const source = holes();
      const { sink, content } = make(source);
      const [controller, reason] = [new AbortController(), new Error("enough")];
      source.gate = async ({ name, offset }, when) => { if (name === "read" && when === "after" && offset >= after) controller.abort(reason); };
      const { error, state } = await interrupted(source, sink, { signal: controller.signal });
      assert.equal(error, reason);
      source.gate = async () => {};
      await copy(source.device, sink, { from: state });
      same(content(), source.bytes);
    }
  });
}

test("an abort does not wait for a sink that hangs", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const source = new MemoryDisk(4 * MiB);
  let resolve = (/** @type {unknown} */ _) => {};
  const began = new Promise((r) => { resolve = r; });
  let aborted;
  const stream = new WritableStream({ start: (c) => { c.signal.addEventListener("abort", () => { aborted = c.signal.reason; }); }, write: () => (resolve(undefined), new Promise(() => {})) });
  const [controller, reason] = [new AbortController(), new Error("enough")];
  /** @type {CopyState[]} */ const states = [];
  const copying = copy(source.device, stream, { signal: controller.signal, onState: (state) => states.push(state) });
  copying.catch(() => {});
  await began;
  controller.abort(reason);
  for (let i = 0; i < 20; i++) await new Promise(setImmediate);
  t.mock.timers.tick(6000);
  await assert.rejects(copying, reason);
  assert.deepEqual([states, aborted], [[], reason], "nobody knows what it has");
});

test("an abort waits for what a stream was given, and then tells the state", async () => {
  const source = new MemoryDisk(8 * MiB);
  /** @type {(() => void)[]} */ const waiting = [];
  const { stream, bytes } = collector(() => new Promise((go) => waiting.push(() => go(undefined))));
  const controller = new AbortController();
  /** @type {CopyState[]} */ const states = [];
  const copying = copy(source.device, stream, { signal: controller.signal, onState: (state) => states.push(state) }).catch((reason) => reason);
  while (waiting.length < 1) await settled();
  controller.abort("enough");
  waiting[0]();
  for (let i = 0; i < 10; i++) await settled();
  assert.deepEqual([states, waiting.length], [[], 2]);
  waiting[1]();
  assert.equal(await copying, "enough");
  assert.deepEqual(states, [{ offset: bytes().length }]);
});

test("an abort while a state is saved tells one state", async (t) => {
  const [source, sink] = [new MemoryDisk(8 * MiB), target(8 * MiB)];
  let now = 0;
  t.mock.method(performance, "now", () => now += 10_000);
  const waiting = held(sink, ({ name }) => name === "flush");
  const controller = new AbortController();
  /** @type {CopyState[]} */ const states = [];
  const patient = { size: sink.device.size, write: sink.device.write.bind(sink.device), zero() {}, flush: () => sink.device.flush() }; // its flush knows no abort
  const copying = copy(source.device, /** @type {any} */ (patient), { signal: controller.signal, onState: (state) => states.push(state) }).catch((reason) => reason);
  while (waiting.length < 1) await settled();
  controller.abort("enough");
  assert.equal(await copying, "enough");
  waiting[0].go();
  for (let i = 0; i < 10; i++) await settled();
  assert.equal(states.length, 1);
});

test("an abort just before a piece is handed over keeps it from the sink", async () => {
  for (let ticks = 0; ticks < 12; ticks++) {
    const source = new MemoryDisk(4 * MiB);
    const { stream, bytes } = collector();
    const controller = new AbortController();
    const read = async (/** @type {number} */ offset, /** @type {number} */ length) => {
      if (offset === MiB) (async () => { for (let i = 0; i < ticks; i++) await undefined; controller.abort("enough"); })();
      return source.bytes.slice(offset, offset + length);
    };
    const sudden = { size: 4 * MiB, read, blockStatus: source.device.blockStatus.bind(source.device) };
    const { error, state } = await interrupted(/** @type {any} */ ({ device: sudden }), stream, { signal: controller.signal });
    assert.equal(error, "enough");
    await settled();
    assert.equal(bytes().length, state.offset, `after ${ticks}`);
  }
});

test("after a flush that failed the state is that of the last that did not", async (t) => {
  const [source, sink] = [new MemoryDisk(40 * MiB), target(40 * MiB)];
  let [now, flushes] = [0, 0];
  t.mock.method(performance, "now", () => now);
  sink.gate = async ({ name }, when) => {
    if (name === "write" && when === "before") now += 1000;
    if (name === "flush" && when === "before" && ++flushes === 2) throw new NbdError("EIO", "a cache was lost");
  };
  /** @type {CopyState[]} */ const states = [];
  await assert.rejects(copy(source.device, sink.device, { onState: (state) => states.push(state) }), { code: "EIO", message: "a cache was lost" });
  assert.equal(states.length, 2);
  assert.deepEqual(states[1], states[0]);
});

test("a full disk is told as such", async () => {
  const [source, file] = [holes(), new FakeFile()];
  file.fails = async (what) => { if (what === "write" && file.log.length > 5) throw new DOMException("no room", "QuotaExceededError"); };
  const { error, state } = await interrupted(source, file);
  assert.equal(error.code, "ENOSPC");
  assert.equal(error.offset, state.offset);
});

test("a state is told every five seconds, after a flush", async (t) => {
  const [source, sink] = [new MemoryDisk(16 * MiB), target(16 * MiB)];
  let now = 0;
  t.mock.method(performance, "now", () => now);
  sink.gate = async ({ name }, when) => { if (name === "write" && when === "before") now += 1000; };
  /** @type {CopyState[]} */ const states = [];
  await copy(source.device, sink.device, { onState(state) {
    states.push(state);
    assert.equal(sink.log.at(-1)?.name, "flush");
    same(sink.bytes.subarray(0, state.offset), source.bytes.subarray(0, state.offset));
  } });
  assert.ok(states.length >= 2, `${states.length} states`);
});

test("progress ends with all done", async () => {
  const [source, sink] = [holes(), target(20 * MiB + 7)];
  /** @type {any[]} */ const told = [];
  await copy(source.device, sink.device, { onProgress: (p) => told.push(p) });
  const { done, total, skipped, errors } = told.at(-1);
  assert.deepEqual({ done, total, skipped, errors }, { done: 20 * MiB + 7, total: 20 * MiB + 7, skipped: 7 * MiB + 7, errors: 0 });
});

test("a block status with gaps is not believed", async () => {
  for (const extents of [[], [[MiB, 3 * MiB]], [[MiB, 4 * MiB]], [[0, 2 * MiB], [3 * MiB, MiB]], [[0, 0], [0, 4 * MiB]], [[0, 3 * MiB]]]) {
    const [source, sink] = [new MemoryDisk(4 * MiB), target(4 * MiB)];
    const lying = { size: 4 * MiB, read: source.device.read.bind(source.device), blockStatus: async () => extents.map(([offset, length]) => ({ offset, length, type: "hole" })) };
    await assert.rejects(copy(/** @type {any} */ (lying), sink.device), { code: "INTERNAL" });
  }
});

test("what block status has no known name for is read, and a short read is not believed", async () => {
  const [source, sink] = [new MemoryDisk(4 * MiB), target(4 * MiB)];
  const { read } = source.device;
  const odd = { size: 4 * MiB, read: read.bind(source.device), blockStatus: async () => [{ offset: 0, length: 4 * MiB, type: undefined }] };
  await copy(/** @type {any} */ (odd), sink.device);
  same(sink.bytes, source.bytes);
  const short = { ...odd, read: (/** @type {number} */ offset, /** @type {number} */ length) => source.device.read(offset, length - 1) };
  await assert.rejects(copy(/** @type {any} */ (short), sink.device), { code: "INTERNAL" });
});

test("an empty device is copied", async () => {
  const { stream, bytes } = collector();
  const { copied } = await copy(new MemoryDisk(0).device, stream);
  assert.deepEqual([copied, bytes().length], [0, 0]);
});

test("what can't be meant is refused, and nothing is asked", async () => {
  const source = holes();
  const { device } = target(20 * MiB + 7);
  const { stream } = collector();
  const locked = new WritableStream();
  locked.getWriter();
  /** @type {[any, any, any, string][]} */ const cases = [
    [{}, device, {}, "INVALID_ARGUMENT"],
    [source.device, {}, {}, "INVALID_ARGUMENT"],
    [source.device, locked, {}, "INVALID_ARGUMENT"],
    [source.device, target(1, { readOnly: true }).device, {}, "READ_ONLY"],
    [source.device, target(20 * MiB + 6).device, {}, "OUT_OF_RANGE"],
    [source.device, stream, { from: { offset: 20 * MiB + 8 } }, "OUT_OF_RANGE"],
    [source.device, stream, { from: 5 }, "INVALID_ARGUMENT"],
    [source.device, stream, { from: { offset: -1 } }, "INVALID_ARGUMENT"],
    [source.device, stream, { onState: true }, "INVALID_ARGUMENT"],
    [source.device, stream, { holes: true }, "INVALID_ARGUMENT"],
  ];
  for (const [from, to, options, code] of cases) await assert.rejects(copy(from, to, options), { code });
  await assert.rejects(copy(source.device, stream, { signal: AbortSignal.abort("before") }), (reason) => reason === "before");
  assert.deepEqual(source.log, []);
  assert.ok(!stream.locked);
});
