// What a thread that waits finds in the memory that it shares, seen from the
// side that holds the device.
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { NbdError } from "../../client/errors.js";
import { deviceOf, handleOf } from "../../client/handle.js";
import { Blocking } from "../../client/handle/blocking.js";
import { done, ended, failed, newMemory, over, partsOf, state, takeText, waiting } from "../../client/handle/memory.js";
import { MemoryDisk, settled } from "./memory-disk.js";

/** Memory, and this side of it. */
function shared() {
  const memory = newMemory();
  return { parts: partsOf(memory), blocking: new Blocking(memory) };
}

test("every failure comes across, whatever it is made of", () => {
  const { parts, blocking } = shared();
  /** @type {[unknown, string, RegExp][]} */ const table = [
    [new NbdError("EIO", "bad"), "EIO", /^bad$/],
    [new NbdError("EIO", "\0".repeat(5000)), "EIO", /./s],
    [new NbdError("EIO", "\ud800".repeat(5000)), "EIO", /./],
    [new NbdError("EIO", "bad", { offset: 5n }), "EIO", /^bad$/],
    [Object.assign(new Error("bad"), { code: "EPERM" }), "EPERM", /^bad$/],
    [{ code: "EPERM" }, "EPERM", /^/],
    [undefined, "INTERNAL", /undefined/],
  ];
  for (const [error, code, message] of table) {
    blocking.fail(error);
    assert.equal(Atomics.load(parts.header, state), failed);
    const told = NbdError.from(takeText(parts.text));
    assert.equal(told.code, code);
    assert.match(told.message, message);
  }
});

test("the end does not write over what a thread may be reading", () => {
  const { parts, blocking } = shared();
  blocking.fail(new NbdError("EIO", "bad"));
  const before = parts.text.slice();
  blocking.end(new NbdError("DISCONNECTED", "gone"));
  assert.deepEqual(parts.text, before);
  assert.deepEqual([takeText(parts.text).code, Atomics.load(parts.header, ended)], ["EIO", 1]);
});

test("the end is told to a call that waits, and to no other; it is whole before it shows", (t) => {
  for (const [before, after] of [[waiting, over], [done, done], [failed, failed]]) {
    const { parts, blocking } = shared();
    Atomics.store(parts.header, state, before);
    /** @type {string[]} */ const seen = [];
    const { store } = Atomics;
    t.mock.method(Atomics, "store", (/** @type {[Int32Array, number, number]} */ ...args) => {
      if (args[1] === ended) seen.push(takeText(parts.farewell).code);
      return store(...args);
    });
    blocking.end(new NbdError("DISCONNECTED", "gone"));
    t.mock.restoreAll();
    assert.deepEqual([seen, Atomics.load(parts.header, state)], [["DISCONNECTED"], after]);
  }
});

test("a short read is not filled up with what was read before", async () => {
  const { parts, blocking } = shared();
  const short = { size: 10, read: async () => new Uint8Array(3) };
  await assert.rejects(blocking.answer(/** @type {any} */ (short), "read", [0, 5], new AbortController().signal), { code: "INTERNAL" });
  assert.equal(Atomics.load(parts.header, state), waiting);
});

test("a failure that can't be cloned comes through a handle", async (t) => {
  const disk = new MemoryDisk(10);
  disk.gate = async () => { throw new NbdError("EIO", "bad", { why: () => {} }); };
  const device = await deviceOf(handleOf(disk.device));
  t.after(() => device.close());
  await assert.rejects(device.read(0, 1), { code: "EIO", message: "bad" });
  disk.lose(new NbdError("EIO", "gone", { why: () => {} }));
  assert.equal((await device.closed)?.message, "gone");
});

test("a handle that was closed keeps no memory, though the device lives on", async () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc");
  const { device } = new MemoryDisk(10);
  const used = () => (collect(), process.memoryUsage().arrayBuffers);
  const before = used();
  for (let i = 0; i < 30; i++) {
    const port = handleOf(device);
    port.onmessage = () => {}; // so that Node waits for it
    port.postMessage({ memory: newMemory() });
    port.postMessage({ close: true });
    await once(port, "close");
  }
  for (let i = 0; i < 50 && used() - before > 5 << 20; i++) await settled();
  assert.ok(used() - before <= 5 << 20, `${used() - before} bytes`);
});
