import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { Device } from "../../client/device.js";
import { NbdError, codes } from "../../client/errors.js";
import { handleOf } from "../../client/handle.js";
import { errnoOf, openSync } from "../../client/sync/index.js";
import { MemoryDisk, held, settled } from "./memory-disk.js";

/** A thread that waits; one step at a time. @param {import("node:test").TestContext} t */
function startThread(t) {
  const thread = new Worker(new URL("sync-thread.js", import.meta.url));
  t.after(() => thread.terminate());
  /** @param {string} step @param {any[]} args @returns {Promise<any>} */
  return async (step, ...args) => {
    const answer = once(thread, "message");
    thread.postMessage({ step, args }, /** @type {any} */ (args.filter((a) => a instanceof MessagePort)));
    const [{ result, error }] = await answer;
    if (error) throw error;
    return result;
  };
}

/**
 * A disk here, and the steps of a thread over it.
 * @param {import("node:test").TestContext} t @param {MemoryDisk} disk @param {object} [options]
 */
async function waitingOn(t, disk, options) {
  const step = startThread(t);
  await step("open", handleOf(disk.device), options);
  return step;
}

test("tells what the device is", async (t) => {
  for (const readOnly of [false, true]) {
    const disk = new MemoryDisk(1000, { readOnly });
    const step = startThread(t);
    assert.deepEqual(await step("open", handleOf(disk.device)), { size: 1000, readOnly, blockSize: disk.device.blockSize });
    await step("close");
  }
});

test("reads as far as the device goes", async (t) => {
  const disk = new MemoryDisk(1000);
  const step = await waitingOn(t, disk);
  /** @type {[number, any, number][]} */
  const table = [[10, 5, 10], [10, 995, 5], [10, 1000n, 0], [10, 5000, 0], [0, 0, 0], [1000, 0, 1000], [2000, 1, 999]];
  for (const [length, offset, n] of table) {
    const got = await step("read", length, offset);
    assert.equal(got.n, n, `${length} at ${offset}`);
    assert.deepEqual(got.into.slice(0, n), disk.bytes.slice(Number(offset), Number(offset) + n));
    assert.ok(got.into.slice(n).every((/** @type {number} */ b) => b === 0xee), "the rest is left alone");
  }
  assert.deepEqual(disk.asked(), ["read 5+10", "read 995+5", "read 0+1000", "read 1+999"]);
});

test("moves much in pieces of 1 MiB", async (t) => {
  const disk = new MemoryDisk((2 << 20) + 5000);
  const step = await waitingOn(t, disk);
  const { n, into } = await step("read", (2 << 20) + 100, 50);
  assert.equal(n, (2 << 20) + 100);
  assert.ok(Buffer.from(disk.bytes.buffer, 50, n).equals(into));
  assert.deepEqual(disk.asked(), ["read 50+1048576", "read 1048626+1048576", "read 2097202+100"]);
  const bytes = Uint8Array.from({ length: (1 << 20) + 7 }, (_, i) => i % 251);
  assert.equal(await step("write", bytes, 3), bytes.length);
  assert.ok(Buffer.from(disk.bytes.buffer, 3, bytes.length).equals(bytes));
  assert.deepEqual(disk.asked(), ["write 3+1048576", "write 1048579+7"]);
});

test("writes, flushes and trims", async (t) => {
  const disk = new MemoryDisk(1000);
  const step = await waitingOn(t, disk);
  assert.equal(await step("write", Uint8Array.of(1, 2, 3), 10), 3);
  assert.equal(await step("write", new Uint16Array([0x0605]).subarray(0, 1), 20n), 2);
  await step("flush");
  await step("trim", 500, 10);
  await step("trim", 500, 0);
  assert.deepEqual([...disk.bytes.slice(10, 13), ...disk.bytes.slice(20, 22)], [1, 2, 3, 5, 6]);
  assert.deepEqual(disk.asked(), ["write 10+3", "write 20+2", "flush 0+0", "trim 500+10"]);
});

test("failures are thrown as they are, and what can't be meant asks nothing", async (t) => {
  const disk = new MemoryDisk(1000);
  const step = await waitingOn(t, disk);
  disk.gate = async (op) => { throw new NbdError("ENOSPC", `${op.name} failed`, { offset: op.offset }); };
  await assert.rejects(step("read", 1, 7), { code: "ENOSPC", message: "read failed", details: { offset: 7 } });
  await assert.rejects(step("flush"), { code: "ENOSPC", message: "flush failed" });
  disk.gate = async () => { throw new NbdError("EIO", "long ".repeat(2000)); };
  await assert.rejects(step("read", 1, 7), (/** @type {any} */ e) => e.code === "EIO" && e.message.length === 1000);
  disk.gate = async () => {};
  disk.asked();
  for (const [name, ...args] of [["read", 1, -1], ["read", 1, 0.5], ["read", 1, 2n ** 64n], ["write", new Uint8Array(1), -1], ["write", "text", 0], ["trim", 0, -1]]) {
    await assert.rejects(step(String(name), ...args), { code: "INVALID_ARGUMENT" }, `${name} ${args}`);
  }
  await assert.rejects(step("write", new Uint8Array(2), 999), { code: "OUT_OF_RANGE" });
  await assert.rejects(step("trim", 999, 2), { code: "OUT_OF_RANGE" });
  assert.deepEqual(disk.asked(), []);
  await step("read", 1, 0);
});

test("a read-only device can't be changed", async (t) => {
  const disk = new MemoryDisk(1000, { readOnly: true });
  const step = await waitingOn(t, disk);
  await assert.rejects(step("write", new Uint8Array(1), 5), { code: "READ_ONLY", details: { offset: 5 } });
  await assert.rejects(step("trim", 0, 1), { code: "READ_ONLY" });
  await step("flush");
  assert.deepEqual(disk.asked(), []);
});

test("a call that takes too long throws; a late answer does the next one no harm", async (t) => {
  /** Reads go when they are let go, whatever becomes of who asked. @type {(() => void)[]} */ const waiting = [];
  const read = async (/** @type {number} */ offset, /** @type {number} */ length) => {
    await /** @type {Promise<void>} */ (new Promise((go) => waiting.push(go)));
    return new Uint8Array(length).fill(offset);
  };
  const step = startThread(t);
  await step("open", handleOf(new Device({ size: 100, blockSize: { minimum: 1, preferred: 1, maximumPayload: 1 }, read })), { timeout: 1000 });
  await assert.rejects(step("read", 10, 1), { code: "TIMEOUT", message: /To read 10 bytes at 1 took longer than 1000 ms/ });
  const next = step("read", 10, 2);
  while (waiting.length < 2) await settled();
  waiting[0]();
  for (let i = 0; i < 10; i++) await settled();
  waiting[1]();
  assert.deepEqual((await next).into, new Uint8Array(10).fill(2));
  await assert.rejects(startThread(t)("open", new MessageChannel().port1, { timeout: 20 }), { code: "TIMEOUT", message: /To open the device/ });
});

test("the thread that holds the device goes on while the other waits", async (t) => {
  const disk = new MemoryDisk(1000);
  const step = await waitingOn(t, disk);
  const waiting = held(disk);
  const reading = step("read", 10, 0);
  while (!waiting.length) await settled();
  for (let i = 0; i < 10; i++) await settled();
  disk.gate = async () => {};
  assert.equal((await disk.device.read(5, 1)).length, 1);
  waiting[0].go();
  assert.equal((await reading).n, 10);
});

test("the end of the device ends a call that waits, and those to come", async (t) => {
  const disk = new MemoryDisk(1000);
  const step = await waitingOn(t, disk);
  held(disk);
  const reading = assert.rejects(step("read", 10, 0), { code: "DISCONNECTED", message: "gone" });
  while (!disk.log.length) await settled();
  disk.lose(new NbdError("DISCONNECTED", "gone"));
  await reading;
  await assert.rejects(step("read", 10, 0), { code: "DISCONNECTED", message: "gone" });
  await assert.rejects(step("flush"), { code: "DISCONNECTED" });
});

test("close ends the handle, not the device", async (t) => {
  const disk = new MemoryDisk(1000);
  const step = await waitingOn(t, disk);
  await step("close");
  await step("close");
  for (const [name, ...args] of [["read", 1, 0], ["read", 0, 0], ["write", new Uint8Array(1), 0], ["flush"], ["trim", 0, 1]]) {
    await assert.rejects(step(String(name), ...args), { code: "CLOSED" });
  }
  assert.equal(disk.closes, 0);
  await disk.device.close();
  const late = await waitingOn(t, disk);
  await assert.rejects(late("read", 1, 0), { code: "CLOSED" });
});

test("what can't be opened is refused", async () => {
  for (const wrong of [undefined, {}, { url: 7 }, new MemoryDisk(1).device, { postMessage() {} }]) await assert.rejects(openSync(/** @type {any} */ (wrong)), { code: "INVALID_ARGUMENT" });
  const { port1, port2 } = new MessageChannel();
  await assert.rejects(openSync(port1, { timeout: -1 }), { code: "INVALID_ARGUMENT" });
  const { wait } = Atomics;
  Atomics.wait = () => { throw new TypeError("not here"); };
  const opening = openSync(port1);
  Atomics.wait = wait;
  await assert.rejects(opening, { code: "ENOTSUP", message: /must not wait.*Worker/ });
  Object.assign(globalThis, { crossOriginIsolated: false });
  const other = openSync(port1);
  Reflect.deleteProperty(globalThis, "crossOriginIsolated");
  await assert.rejects(other, { code: "ENOTSUP", message: /not cross-origin isolated.*Cross-Origin-Opener-Policy.*serveViaServiceWorker/ });
  await assert.rejects(openSync({ url: "http://x/" }), { code: "ENOTSUP", message: /only Workers/ });
  port2.close();
});

test("every code has a negative errno", () => {
  const special = { READ_ONLY: 30, OUT_OF_RANGE: 22, INVALID_ARGUMENT: 22, CLOSED: 9, TIMEOUT: 110, EPERM: 1, ENOMEM: 12, EINVAL: 22, ENOSPC: 28, EOVERFLOW: 75, ENOTSUP: 95, ESHUTDOWN: 108 };
  for (const code of codes) assert.equal(errnoOf(new NbdError(code, "")), -(special[/** @type {keyof typeof special} */ (code)] ?? 5), code);
  for (const other of [new Error("x"), undefined, { code: "constructor" }]) assert.equal(errnoOf(other), -5);
});
