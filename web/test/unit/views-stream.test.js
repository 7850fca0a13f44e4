import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { readableOf } from "../../client/views/index.js";
import { MemoryDisk, held, settled } from "./memory-disk.js";

/** Bytes of a chunk; 32 of them are ahead at most. */
const chunkSize = 4096;

/** @param {ReadableStream<Uint8Array>} stream */
async function all(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return { bytes: Buffer.concat(chunks), lengths: chunks.map((c) => c.length) };
}

test("a stream gives a range, in chunks", async () => {
  const disk = new MemoryDisk(5000);
  for (const [options, from, to, lengths] of /** @type {[any, number, number, number[]][]} */ ([
    [undefined, 0, 5000, [5000]],
    [{ offset: 10n, length: 2500n, chunkSize: 1000 }, 10, 2510, [1000, 1000, 500]],
    [{ offset: 4000 }, 4000, 5000, [1000]],
    [{ length: 0 }, 0, 0, []],
    [{ offset: 5000 }, 5000, 5000, []],
  ])) {
    const got = await all(readableOf(disk.device, options));
    assert.deepEqual([new Uint8Array(got.bytes), got.lengths], [disk.bytes.slice(from, to), lengths]);
  }
});

test("nothing is read before it is asked for, and then a window ahead", async () => {
  const disk = new MemoryDisk(40 * chunkSize);
  const stream = readableOf(disk.device, { chunkSize });
  await settled();
  assert.deepEqual(disk.asked(), []);
  const reader = stream.getReader();
  await reader.read();
  await settled();
  assert.equal(disk.asked().length, 32);
  await reader.read();
  await settled();
  assert.deepEqual(disk.asked(), [`read ${32 * chunkSize}+${chunkSize}`]);
  await reader.cancel();
});

test("a reader's own buffer is filled, also with what a chunk had left over", async () => {
  const disk = new MemoryDisk(1000);
  const reader = readableOf(disk.device, { chunkSize: 300 }).getReader({ mode: "byob" });
  const parts = [];
  for (let buffer = new ArrayBuffer(128); ;) {
    const { value, done } = await reader.read(new Uint8Array(buffer));
    assert.ok(value);
    if (done) break;
    parts.push(value.slice());
    buffer = value.buffer;
  }
  assert.deepEqual(new Uint8Array(Buffer.concat(parts)), disk.bytes);
  assert.ok(parts.every((p) => p.length <= 128));
});

test("a reader's own buffer is given back at the end of nothing", async () => {
  const reader = readableOf(new MemoryDisk(10).device, { length: 0 }).getReader({ mode: "byob" });
  const { value, done } = await reader.read(new Uint8Array(16));
  assert.deepEqual([value?.byteLength, done], [0, true]);
});

test("a browser without byte streams gets a plain one, with the same backpressure", async (t) => {
  /** @type {any} */ const Native = globalThis.ReadableStream;
  t.after(() => { globalThis.ReadableStream = Native; });
  globalThis.ReadableStream = /** @type {any} */ (class extends Native {
    constructor(/** @type {any} */ source, /** @type {any} */ strategy) {
      if (source.type === "bytes") throw new TypeError("not implemented");
      super(source, strategy);
    }
  });
  const disk = new MemoryDisk(40 * chunkSize);
  const stream = readableOf(disk.device, { chunkSize });
  await settled();
  assert.deepEqual(disk.asked(), []);
  assert.deepEqual(new Uint8Array((await all(stream)).bytes), disk.bytes);
});

/** @param {MemoryDisk} disk what it still waits for, when it is aborted, rejects */
function aborts(disk) {
  /** @type {AbortSignal[]} */ const signals = [];
  const { read } = disk.device;
  disk.device.read = (offset, length, options = {}) => {
    signals.push(/** @type {AbortSignal} */ (options.signal));
    return read.call(disk.device, offset, length, options);
  };
  return signals;
}

test("to cancel aborts what is under way, also while somebody waits for it", async () => {
  const disk = new MemoryDisk(40 * chunkSize);
  const waiting = held(disk);
  const signals = aborts(disk);
  const reader = readableOf(disk.device, { chunkSize }).getReader();
  const read = reader.read();
  await settled();
  assert.equal(waiting.length, 32);
  await reader.cancel("enough");
  assert.deepEqual([(await read).done, signals.length, signals.every((s) => s.aborted)], [true, 32, true]);
  for (const { go } of waiting) go();
  await settled();
  assert.equal(waiting.length, 32);
});

test("a signal ends the stream at once, with its reason", async () => {
  const disk = new MemoryDisk(40 * chunkSize);
  const controller = new AbortController();
  const reader = readableOf(disk.device, { chunkSize, signal: controller.signal }).getReader();
  await reader.read();
  const signals = aborts(disk);
  held(disk);
  await reader.read(); // another one goes ahead
  await settled();
  const why = new Error("closed the page");
  controller.abort(why);
  await assert.rejects(reader.closed, why);
  await assert.rejects(reader.read(), why);
  assert.deepEqual(signals.map((s) => s.aborted), [true]);
  await assert.rejects(readableOf(disk.device, { signal: AbortSignal.abort(why) }).getReader().closed, why);
});

test("what a read fails with is what the stream fails with", async () => {
  const disk = new MemoryDisk(3 * chunkSize);
  const waiting = held(disk, ({ offset }) => offset === chunkSize);
  const reader = readableOf(disk.device, { chunkSize }).getReader();
  assert.equal((await reader.read()).value?.length, chunkSize);
  const failed = assert.rejects(reader.read(), /bad sector/);
  waiting[0].fail(new Error("bad sector"));
  await failed;
  await disk.device.close();
  await assert.rejects(readableOf(disk.device, { chunkSize }).getReader().read(), { code: "CLOSED" });
});

test("a signal that lives on is let go", async () => {
  const { device } = new MemoryDisk(1000);
  let listeners = 0;
  const counted = /** @type {any} */ ({
    aborted: false, addEventListener: () => { listeners++; }, removeEventListener: () => { listeners--; }, throwIfAborted() {},
  });
  for (let i = 0; i < 3; i++) await all(readableOf(device, { signal: counted }));
  await readableOf(device, { signal: counted }).cancel();
  assert.equal(listeners, 0);
});

test("arguments are refused at once, and nothing is read", () => {
  const disk = new MemoryDisk(1000);
  for (const [options, code] of /** @type {[any, string][]} */ ([
    [{ offset: 1001 }, "OUT_OF_RANGE"], [{ offset: 1, length: 1000 }, "OUT_OF_RANGE"], [{ offset: -1 }, "INVALID_ARGUMENT"],
    [{ chunkSize: 0 }, "INVALID_ARGUMENT"], [{ chunk: 1 }, "INVALID_ARGUMENT"],
  ])) assert.throws(() => readableOf(disk.device, options), { code });
  assert.throws(() => readableOf(/** @type {any} */ ({}), {}), { code: "INVALID_ARGUMENT" });
  assert.deepEqual(disk.asked(), []);
});

test("a Response and a transfer to another thread take it", async () => {
  const disk = new MemoryDisk(300_000);
  assert.deepEqual(new Uint8Array(await new Response(readableOf(disk.device)).arrayBuffer()), disk.bytes);
  const { port1, port2 } = new MessageChannel();
  const stream = readableOf(disk.device, { length: 100_000 });
  port1.postMessage(stream, /** @type {any} */ ([stream]));
  const [message] = await once(port2, "message");
  const { bytes } = await all(message.data ?? message);
  assert.deepEqual(new Uint8Array(bytes), disk.bytes.slice(0, 100_000));
  port1.close();
});
