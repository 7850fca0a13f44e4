import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";
import { promisify } from "node:util";
import RandomAccessStorage from "random-access-storage";
import { NbdError } from "../../client/errors.js";
import { asRandomAccessStorage } from "../../client/views/index.js";
import { MemoryDisk, held, settled } from "./memory-disk.js";

/** @typedef {import("../../client/views/index.js").RandomAccess} RandomAccess */

const MemoryOverlay = createRequire(import.meta.url)("random-access-memory-overlay"); // it has no types

const size = 1000;
const states = /** @type {const} */ (["opened", "suspended", "closed", "unlinked", "writing"]);
const abilities = /** @type {const} */ (["readable", "writable", "deletable", "truncatable", "statable"]);

/** What npm's package makes of the same disk: the truth about the contract. @param {MemoryDisk} disk */
function theirs(disk) {
  const { device } = disk;
  const answer = (/** @type {any} */ req, /** @type {Promise<any>} */ done) => { done.then((value) => req.callback(null, value), (error) => req.callback(error)); };
  const refuse = (/** @type {any} */ req) => req.callback(new NbdError("ENOTSUP", ""));
  return /** @type {any} */ (new RandomAccessStorage(/** @type {any} */ ({
    read: (/** @type {any} */ req) => answer(req, device.read(req.offset, req.size).then((bytes) => Buffer.from(bytes))),
    ...(!device.readOnly && {
      write: (/** @type {any} */ req) => answer(req, device.write(req.offset, req.data)),
      del: (/** @type {any} */ req) => answer(req, device.zero(req.offset, req.size, { unmap: true })),
      truncate: refuse,
    }),
    stat: (/** @type {any} */ req) => req.callback(null, { size }),
    suspend: (/** @type {any} */ req) => answer(req, device.flush()),
    close: (/** @type {any} */ req) => answer(req, device.flush().then(() => device.close())),
    unlink: refuse,
  })));
}

/**
 * Does what a script says, all at once, and notes what happens in which order.
 * @param {any} storage
 * @param {(string | any[])[]} script
 */
async function perform(storage, script) {
  /** @type {unknown[]} */ const log = [];
  for (const event of ["open", "suspend", "unsuspend", "close", "unlink"]) storage.on(event, () => log.push(event));
  /** @type {Promise<void>[]} */ const answers = [];
  for (const step of script) {
    if (step === "wait") await Promise.all(answers);
    else answers.push(new Promise((resolve) => storage[step[0]](...step.slice(1), (/** @type {any} */ error, /** @type {any} */ value) => {
      log.push([step[0], error ? "failed" : value ?? null, ...states.map((s) => storage[s])]);
      resolve();
    })));
  }
  await Promise.all(answers);
  return sorted(log);
}

/** What goes side by side ends in any order. @param {any[]} log */
function sorted(log) {
  const holdsUp = (/** @type {any} */ entry) => typeof entry === "string" || ["open", "suspend", "close", "unlink"].includes(entry[0]);
  let group = 0;
  const keyed = log.map((entry) => ({ entry, group: holdsUp(entry) ? ++group : group + 0.5, key: holdsUp(entry) ? "" : JSON.stringify(entry) }));
  return keyed.sort((a, b) => a.group - b.group || a.key.localeCompare(b.key)).map(({ entry }) => entry);
}

const data = Buffer.from("abc");
/** @type {Record<string, (string | any[])[]>} */
const scripts = {
  "opens by itself": [["read", 3, 4]],
  "opens once": [["open"], ["open"], ["read", 0, 1], "wait", ["open"]],
  "close waits": [["read", 0, 5], ["write", 10, data], ["stat"], ["close"]],
  "nothing goes after close": [["stat"], ["close"], ["read", 0, 1], ["write", 0, data], ["close"], "wait", ["read", 0, 1], ["stat"], ["close"]],
  "suspend, and on": [["read", 0, 1], ["suspend"], ["read", 1, 1], "wait", ["suspend"], "wait", ["suspend"], "wait", ["write", 0, data], ["close"]],
  "suspend, and close": [["open"], ["suspend"], "wait", ["close"], "wait", ["suspend"], "wait", ["stat"]],
  "suspended after its end": [["open"], ["close"], "wait", ["suspend"], "wait", ["stat"]],
  "opened again": [["open"], ["suspend"], ["open"], "wait", ["stat"]],
  "writes and deletes": [["write", 0, data], "wait", ["read", 0, 4], ["del", 1, 1], "wait", ["read", 0, 4], ["stat"]],
  "a failure is its own": [["read", 999, 2], ["write", 998, data], ["read", 0, 1], "wait", ["read", -1, 2], ["read", 0, 1]],
  "its size stays": [["truncate", 10], "wait", ["stat"]],
  "closed unopened": [["close"], "wait", ["read", 0, 1], ["open"]],
  "unlink": [["stat"], "wait", ["unlink"], "wait", ["unlink"], ["stat"]],
};

for (const readOnly of [false, true]) {
  for (const [title, script] of Object.entries(scripts)) {
    test(`as npm's package does it: ${title}${readOnly ? ", read-only" : ""}`, async () => {
      const [a, b] = [new MemoryDisk(size, { readOnly }), new MemoryDisk(size, { readOnly })];
      assert.deepEqual(await perform(asRandomAccessStorage(a.device), script), await perform(theirs(b), script));
      assert.ok(Buffer.from(a.bytes).equals(b.bytes));
      // Theirs forgets what was suspended or never opened, which has nothing to close there.
      assert.equal(a.closes, script.some(([name]) => name === "close" || name === "unlink") ? 1 : 0);
    });
  }
}

test("it has the abilities that npm's package knows", () => {
  for (const readOnly of [false, true]) {
    const ours = asRandomAccessStorage(new MemoryDisk(size, { readOnly }).device);
    assert.deepEqual(abilities.map((name) => ours[name]), [true, !readOnly, !readOnly, false, true]);
  }
});

/** @param {RandomAccess} storage @param {"read" | "write" | "del" | "truncate" | "stat" | "close" | "unlink" | "suspend" | "open"} name @param {any[]} args */
const call = (storage, name, ...args) => /** @type {any} */ (promisify(storage[name])).call(storage, ...args);

test("failures have their codes", async () => {
  const storage = asRandomAccessStorage(new MemoryDisk(size).device);
  for (const [name, args, code] of /** @type {[any, any[], string][]} */ ([
    ["read", [999, 2], "OUT_OF_RANGE"], ["write", [999, data], "OUT_OF_RANGE"], ["read", [-1, 2], "INVALID_ARGUMENT"], ["del", [-1, 2], "INVALID_ARGUMENT"],
    ["truncate", [0], "ENOTSUP"], ["unlink", [], "ENOTSUP"], ["stat", [], "CLOSED"], ["read", [0, 1], "CLOSED"],
  ])) await assert.rejects(call(storage, name, ...args), { code }, name);
  assert.throws(() => storage.read(0, 1, /** @type {any} */ (7)), { code: "INVALID_ARGUMENT" });
  const readOnly = asRandomAccessStorage(new MemoryDisk(size, { readOnly: true }).device);
  await assert.rejects(call(readOnly, "write", 0, data), { code: "READ_ONLY" });
  await assert.rejects(call(readOnly, "del", 0, 1), { code: "READ_ONLY" });
});

test("del leaves zeros, frees the room, and ends where the device does", async () => {
  const disk = new MemoryDisk(size);
  const { zero } = disk.device;
  /** @type {any[]} */ const options = [];
  disk.device.zero = (offset, length, given) => {
    options.push(given);
    return zero.call(disk.device, offset, length, given);
  };
  const storage = asRandomAccessStorage(disk.device);
  await call(storage, "del", 900, Infinity);
  await call(storage, "del", 2000, 5);
  assert.deepEqual([disk.asked(), options], [["zero 900+100"], [{ unmap: true }, { unmap: true }]]);
  assert.deepEqual(await call(storage, "read", 899, 3), Buffer.from([disk.bytes[899], 0, 0]));
});

test("what goes side by side does, and close waits for it", async () => {
  const disk = new MemoryDisk(size);
  const waiting = held(disk);
  const storage = asRandomAccessStorage(disk.device);
  /** @type {string[]} */ const done = [];
  storage.read(0, 1, () => done.push("read"));
  storage.write(5, data, () => done.push("write"));
  storage.close(() => done.push("close"));
  await settled();
  assert.deepEqual([waiting.map(({ op }) => op.name), done], [["read", "write"], []]);
  waiting[1].go();
  await settled();
  assert.deepEqual(done, ["write"]);
  waiting[0].go();
  await settled();
  assert.deepEqual([waiting.map(({ op }) => op.name), storage.closed, disk.closes], [["read", "write", "flush"], false, 0]);
  waiting[2].go();
  await settled();
  assert.deepEqual([done, storage.closed, disk.closes], [["write", "read", "close"], true, 1]);
});

test("if the flush fails it is not closed, and may be again", async () => {
  const disk = new MemoryDisk(size);
  const storage = asRandomAccessStorage(disk.device);
  await call(storage, "write", 0, data);
  disk.gate = async ({ name }) => { if (name === "flush") throw new NbdError("EIO", "bad sector"); };
  await assert.rejects(call(storage, "close"), { code: "EIO" });
  assert.deepEqual([storage.closed, disk.closes, (await call(storage, "stat")).size], [false, 0, size]);
  disk.gate = async ({ name }) => { if (name === "flush") throw new NbdError("ENOTSUP", "nothing to be flushed"); };
  await call(storage, "close");
  assert.deepEqual([storage.closed, disk.closes], [true, 1]);
});

test("what was written is flushed before it is suspended, and what is only read is not", async () => {
  const disk = new MemoryDisk(size);
  await call(asRandomAccessStorage(disk.device), "suspend");
  const written = asRandomAccessStorage(disk.device);
  await call(written, "write", 0, data);
  await call(written, "suspend");
  assert.deepEqual([disk.asked(), disk.closes], [["write 0+3", "flush 0+0"], 0]);
  const storage = asRandomAccessStorage(disk.device);
  await call(storage, "read", 0, 1);
  await call(storage, "close");
  assert.deepEqual(disk.asked(), ["read 0+1"]);
});

test("what callbacks and listeners throw is theirs, and harms nothing", async (t) => {
  const storage = asRandomAccessStorage(new MemoryDisk(size).device);
  /** @type {unknown[]} */ const thrown = [];
  const catcher = (/** @type {unknown} */ error) => thrown.push(error);
  process.setUncaughtExceptionCaptureCallback(catcher);
  t.after(() => process.setUncaughtExceptionCaptureCallback(null));
  storage.on("open", () => { throw "listener"; });
  storage.stat(() => { throw "callback"; });
  storage.read(size, 1, () => { throw "failed"; });
  assert.equal((await call(storage, "stat")).size, size);
  await settled();
  assert.deepEqual(thrown.sort(), ["callback", "failed", "listener"]);
});

test("listeners come once or each time, and go", () => {
  const storage = asRandomAccessStorage(new MemoryDisk(size).device);
  /** @type {string[]} */ const heard = [];
  const [a, b, c] = ["a", "b", "c"].map((name) => (/** @type {any[]} */ ...details) => { heard.push(name + details); });
  storage.on("x", a).once("x", b).addListener("x", c).addListener("x", c).removeListener("x", c).off("x", () => {}).off("y", a);
  assert.deepEqual([storage.emit("x", 1, 2), storage.emit("x"), storage.emit("y")], [true, true, false]);
  assert.deepEqual(heard.splice(0), ["a1,2", "b1,2", "c1,2", "a", "c"]);
  // The same one, both ways: each goes as it came, and off takes the one that came last.
  storage.once("y", a).on("y", a);
  storage.on("z", b).once("z", b).off("z", b);
  for (let i = 0; i < 3; i++) storage.emit("y"), storage.emit("z");
  assert.deepEqual(heard, ["a", "a", "b", "a", "b", "a", "b"]);
});

test("random-access-memory-overlay lies over it", async () => {
  const disk = new MemoryDisk(size);
  const before = disk.bytes.slice();
  const overlay = new MemoryOverlay(asRandomAccessStorage(disk.device), { pageSize: 64 });
  assert.deepEqual(await call(overlay, "stat"), { size });
  assert.deepEqual(new Uint8Array(await call(overlay, "read", 10, 500)), before.slice(10, 510));
  await call(overlay, "write", 100, data);
  assert.deepEqual((await call(overlay, "read", 99, 5)).subarray(1, 4), data);
  await call(overlay, "write", size, data); // an overlay grows
  assert.deepEqual(new Uint8Array(await call(overlay, "read", size - 2, 5)), new Uint8Array([...before.slice(-2), ...data]));
  await assert.rejects(call(overlay, "read", size, 4));
  assert.deepEqual(disk.bytes, before);
});
