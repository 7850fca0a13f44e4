import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { Worker } from "node:worker_threads";
import { Device } from "../../client/device.js";
import { NbdError } from "../../client/errors.js";
import { deviceOf, handleOf } from "../../client/handle.js";
import { MemoryDisk, held, settled } from "./memory-disk.js";

/** Waits until a condition holds. @param {() => boolean} condition */
async function until(condition) {
  while (!condition()) await settled();
}

/** A device, and the same through a handle; the handle ends with the test. */
async function through(/** @type {import("node:test").TestContext} */ t, /** @type {MemoryDisk} */ disk = new MemoryDisk(10_000)) {
  const device = await deviceOf(handleOf(disk.device));
  t.after(() => device.close());
  return { disk, device };
}

test("a device through a handle tells what it is, and does what it does", async (t) => {
  const disk = new MemoryDisk(10_000);
  disk.extents = [{ offset: 0, length: 10, type: "data" }, { offset: 10, length: 5, type: "hole" }];
  const { device } = await through(t, disk);
  assert.deepEqual([device.size, device.readOnly, device.blockSize], [10_000, false, disk.device.blockSize]);
  assert.deepEqual(await device.read(5, 10), disk.bytes.slice(5, 15));
  assert.deepEqual(await device.readMany([{ offset: 1, length: 2 }, { offset: 9_998, length: 2 }]), [disk.bytes.slice(1, 3), disk.bytes.slice(9_998)]);
  await device.write(100, Uint8Array.of(1, 2, 3, 4).subarray(1, 3), { fua: true });
  await device.write(200, Uint8Array.of(5, 6), { transfer: true });
  await device.zero(102, 1, { unmap: true });
  await device.trim(300, 2);
  await device.flush();
  assert.deepEqual([...disk.bytes.subarray(100, 103), ...disk.bytes.subarray(200, 202)], [2, 3, 0, 5, 6]);
  assert.deepEqual(await device.blockStatus(0, 15), disk.extents);
  assert.deepEqual(disk.asked(), ["read 5+10", "read 1+2", "read 9998+2", "write 100+2", "write 200+2", "zero 102+1", "trim 300+2", "flush 0+0", "blockStatus 0+15"]);
});

test("its identity and its being read-only come along", async (t) => {
  const { device } = await through(t, new MemoryDisk(10, { readOnly: true }));
  assert.deepEqual([device.readOnly, device.identity], [true, undefined]);
  await assert.rejects(device.write(0, new Uint8Array(1)), { code: "READ_ONLY" });
  const named = await deviceOf(handleOf(new Device({ size: 10, blockSize: device.blockSize, identity: "x", read: async () => new Uint8Array(1) })));
  t.after(() => named.close());
  assert.equal(named.identity, "x");
});

test("failures come as they are, an abort ends the waiting and the work", async (t) => {
  const { disk, device } = await through(t);
  disk.gate = async (op) => { throw new NbdError("EIO", `bad ${op.name}`, { offset: op.offset }); };
  await assert.rejects(device.read(7, 1), { name: "NbdError", code: "EIO", message: "bad read", offset: 7 });
  const waiting = held(disk);
  const controller = new AbortController();
  const reading = device.read(0, 1, { signal: controller.signal });
  await until(() => waiting.length === 1);
  controller.abort("enough");
  await assert.rejects(reading, (e) => e === "enough");
  disk.gate = async () => {};
  assert.deepEqual(await device.read(3, 1), disk.bytes.slice(3, 4));
});

test("64 operations, and 64 MiB, are under way at most", async (t) => {
  /** @type {(() => void)[]} */ const waiting = [];
  const read = async (/** @type {number} */ _, /** @type {number} */ length) => {
    await /** @type {Promise<void>} */ (new Promise((go) => waiting.push(go)));
    return new Uint8Array(length);
  };
  const device = await deviceOf(handleOf(new Device({ size: 80 << 20, blockSize: { minimum: 1, preferred: 1, maximumPayload: 1 }, read })));
  t.after(() => device.close());
  /** @type {[number, number, number][]} */
  const table = [[1, 100, 64], [40 << 20, 5, 2], [70 << 20, 2, 1]];
  for (const [length, times, under] of table) {
    const reads = Array.from({ length: times }, () => device.read(0, length));
    await until(() => waiting.length >= under);
    await new Promise((resolve) => setTimeout(resolve, 20)); // more of them would be too many
    assert.equal(waiting.length, under, `of ${times} reads of ${length} bytes`);
    for (let done = 0; done < times; await settled()) if (waiting.length) done++, waiting.shift()?.();
    assert.ok((await Promise.all(reads)).every((bytes) => bytes.length === length));
  }
});

test("close ends the handle and not the device; the device ends the handle", async (t) => {
  const { disk, device } = await through(t);
  await device.close();
  await assert.rejects(device.read(0, 1), { code: "CLOSED" });
  assert.equal(disk.closes, 0);
  const other = await through(t, disk);
  const waiting = held(disk);
  const reading = other.device.read(0, 1);
  await until(() => waiting.length === 1);
  disk.lose(new NbdError("DISCONNECTED", "gone"));
  await assert.rejects(reading, { code: "DISCONNECTED", message: "gone" });
  assert.equal((await other.device.closed)?.code, "DISCONNECTED");
  assert.equal((await (await deviceOf(handleOf(disk.device))).closed)?.code, "DISCONNECTED");
  const gone = new MemoryDisk(10);
  const handle = handleOf(gone.device);
  await gone.device.close();
  const late = await deviceOf(handle);
  assert.equal(await late.closed, undefined);
  await assert.rejects(late.read(0, 1), { code: "CLOSED" });
});

test("a side that has ended, or does not answer, ends the device", async () => {
  const thread = new Worker(`
    const { parentPort } = require("node:worker_threads");
    (async () => {
      const { handleOf } = await import(${JSON.stringify(import.meta.resolve("../../client/handle.js"))});
      const device = { size: 10, readOnly: true, blockSize: {}, closed: new Promise(() => {}), read: () => new Promise(() => {}) };
      const handle = handleOf(device);
      parentPort.postMessage(handle, [handle]);
    })();`, { eval: true });
  const handle = await new Promise((resolve) => thread.once("message", resolve));
  const device = await deviceOf(handle);
  const reading = assert.rejects(device.read(0, 1), { code: "WORKER", message: /has ended/ });
  await thread.terminate();
  await reading;
  assert.equal((await device.closed)?.code, "WORKER");

  mock.timers.enable({ apis: ["setInterval"] });
  const { port1, port2 } = new MessageChannel();
  const opening = deviceOf(port2);
  mock.timers.tick(70_000);
  await assert.rejects(opening, { code: "WORKER", message: /has not answered/ });
  mock.timers.reset();
  port1.close();
});

test("one that answers reminders is waited for, however long", async (t) => {
  const { disk, device } = await through(t);
  const waiting = held(disk);
  mock.timers.enable({ apis: ["setInterval"] });
  const reading = device.read(0, 1);
  for (let i = 0; i < 20; i++) {
    mock.timers.tick(10_000);
    await settled();
    await settled();
  }
  mock.timers.reset();
  waiting[0].go();
  disk.gate = async () => {};
  assert.equal((await reading).length, 1);
});

test("arguments that can't be meant are refused", async (t) => {
  for (const wrong of [undefined, {}, new MemoryDisk(1).device]) await assert.rejects(deviceOf(/** @type {any} */ (wrong)), { code: "INVALID_ARGUMENT" });
  assert.throws(() => handleOf(/** @type {any} */ ({})), { code: "INVALID_ARGUMENT" });
  const port = handleOf(new MemoryDisk(1).device);
  t.after(() => port.close());
  /** @type {any[]} */ const said = [];
  port.onmessage = ({ data }) => said.push(data);
  port.postMessage({ id: 7, method: "close", args: [] });
  await until(() => said.length === 2);
  assert.deepEqual([said[1].id, said[1].error.code], [7, "INVALID_ARGUMENT"]);
});
