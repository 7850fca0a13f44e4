import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { Disk, NbdError, list, open } from "../../client/index.js";
import { readOnlyView } from "../../client/layers/readonly.js";
import { region } from "../../client/layers/region.js";
import { FakeWorker, bytes, facts, install, pooled, settled } from "./fake-worker.js";

/** @type {() => FakeWorker} */
let worker;
beforeEach(() => {
  worker = install();
  Object.assign(FakeWorker.answers, {
    read: (/** @type {number} */ offset, /** @type {number} */ length) => Uint8Array.from({ length }, (_, i) => offset + i),
    write: () => undefined,
    flush: () => undefined,
  });
});

const url = "wss://bridge.example/nbd/lab7";
const options = { export: "vda", readOnly: false, tls: { ca: "PEM", serverName: "nbd7.lab" } };

/** Opens a disk and has close() answered. @returns {Promise<Disk>} */
async function opened(changed = {}) {
  FakeWorker.answers.open = () => ({ ...facts, ...changed });
  FakeWorker.answers.close = () => queueMicrotask(() => worker().reply(worker().last("wait").id, undefined));
  return open(url, options);
}

test("open starts a worker, loads the WASM and hands over the request", async () => {
  const disk = await open(url, { ...options, wasm: "https://cdn/x.wasm" });
  assert.deepEqual(worker().sent.map((m) => m.method), ["start", "open", "wait"]);
  assert.deepEqual(worker().sent[0].args, ["https://cdn/x.wasm"]);
  assert.deepEqual(worker().sent[1].args[0], { url, export: "vda", readOnly: false, reconnect: { giveUpAfter: 120_000 }, tls: { mode: "require", ca: "PEM", serverName: "nbd7.lab" } });
  assert.deepEqual([disk.size, disk.byteLength, disk.readOnly, disk.exportName, disk.blockSize.preferred, disk.tls], [1000, 1000, false, "vda", 4096, null]);
});

test("options that can't be meant, and aborted signals, start no worker", async () => {
  await assert.rejects(open(url, /** @type {any} */ ({ readonly: true })), { code: "INVALID_ARGUMENT" });
  await assert.rejects(open(url, { ...options, signal: AbortSignal.abort("enough") }), (e) => e === "enough");
  await assert.rejects(list(url, { tls: options.tls, signal: AbortSignal.abort("enough") }), (e) => e === "enough");
  assert.equal(FakeWorker.made.length, 0);
});

test("an open that fails or is aborted tears its worker down", async () => {
  delete FakeWorker.answers.open;
  const controller = new AbortController();
  const aborted = open(url, { ...options, signal: controller.signal });
  await settled();
  controller.abort("enough");
  await assert.rejects(aborted, (e) => e === "enough");
  assert.equal(worker().terminated, 1);

  const failing = open(url, options);
  await settled();
  worker().fail(worker().last("open").id, { code: "UNKNOWN_TARGET", message: "no such target" });
  await assert.rejects(failing, { name: "NbdError", code: "UNKNOWN_TARGET" });
  assert.equal(worker().terminated, 1);
});

test("an open whose WASM does not load rejects", async () => {
  delete FakeWorker.answers.start;
  const opening = open(url, options);
  await settled();
  worker().fail(1, { code: "WASM_LOAD", message: "404" });
  await assert.rejects(opening, { code: "WASM_LOAD" });
  assert.equal(worker().terminated, 1);
});

test("a function gives the ticket: for each connection of a disk, and once for list", async () => {
  let asked = 0;
  const token = async () => `ticket-${++asked}`;
  await open(url, { ...options, token });
  assert.deepEqual([worker().sent[1].args[0].token, worker().sent[1].args[1]], [undefined, true]);
  worker().say({ ask: 1 });
  await settled();
  assert.deepEqual(worker().sent.at(-1), { answer: 1, token: "ticket-1" });
  await open(url, { ...options, token: "fixed" });
  assert.deepEqual([worker().sent[1].args[0].token, worker().sent[1].args[1]], ["fixed", false]);
  FakeWorker.answers.list = () => [];
  await list(url, { tls: options.tls, token });
  assert.equal(worker().last("list").args[0].token, "ticket-2");
  const stuck = new AbortController();
  const listing = list(url, { tls: options.tls, token: () => new Promise(() => {}), signal: stuck.signal });
  await settled();
  stuck.abort("enough");
  await assert.rejects(listing, (e) => e === "enough");
  assert.equal(worker().terminated, 1);
});

test("a disk has an identity, without what may be secret in the URL", async () => {
  const identity = async (changed = {}, at = url) => {
    FakeWorker.answers.open = () => ({ ...facts, ...changed });
    return (await open(at, options)).identity;
  };
  const plain = await identity();
  assert.equal(plain, `${url} "vda" 1000 no key`);
  assert.equal(await identity({}, `${url}?ticket=SECRET`), plain);
  const others = [await identity({ size: 2 }), await identity({ exportName: "vdb" }), await identity({ tls: { peer: { pin: "sha256/x" } } }), await identity({}, `${url}/x`)];
  assert.equal(new Set([plain, ...others]).size, 5);
});

test("list answers and ends its worker", async () => {
  FakeWorker.answers.list = () => [{ name: "vda", description: "" }];
  assert.deepEqual(await list(url, { tls: options.tls }), [{ name: "vda", description: "" }]);
  assert.equal(worker().terminated, 1);
});

test("read gives the bytes; offsets may be bigint", async () => {
  const disk = await opened();
  assert.deepEqual(await disk.read(3n, 2n), bytes(3, 4));
  assert.deepEqual(worker().last("read").args, [3, 2]);
});

test("ranges that can't be meant are not sent", async () => {
  const disk = await opened();
  const before = worker().sent.length;
  await assert.rejects(disk.read(1000, 1), { message: /beyond the end of the disk "vda", which has 1000 bytes/ });
  for (const [offset, length] of [[-1, 1], [0.5, 1], [0, -1], [2 ** 53, 1], [0n, 2n ** 64n]]) {
    await assert.rejects(disk.read(offset, length), { code: "INVALID_ARGUMENT" });
  }
  await assert.rejects(disk.read(1000, 1), { code: "OUT_OF_RANGE", details: { offset: 1000, length: 1 } });
  await assert.rejects(disk.read(1, 2 ** 53 - 1), { code: "OUT_OF_RANGE" });
  await assert.rejects(disk.write(999, bytes(1, 2)), { code: "OUT_OF_RANGE" });
  await assert.rejects(disk.write(0, /** @type {any} */ ("text")), { code: "INVALID_ARGUMENT" });
  await assert.rejects(disk.read(0, 1, /** @type {any} */ ({ sginal: 1 })), { code: "INVALID_ARGUMENT" });
  assert.equal(worker().sent.length, before);
});

test("write copies exactly the view, at once", async () => {
  const disk = await opened();
  const all = bytes(1, 2, 3, 4, 5);
  const writing = disk.write(10, all.subarray(1, 4), { fua: true });
  all.fill(0);
  await writing;
  const [offset, data, fua] = worker().last("write").args;
  assert.deepEqual([offset, data, fua, data.buffer.byteLength], [10, bytes(2, 3, 4), true, 3]);
  assert.equal(all.byteLength, 5);
});

test("write takes any view", async () => {
  const disk = await opened();
  await disk.write(0, pooled());
  assert.equal(new TextDecoder().decode(worker().last("write").args[1]), "hello");
  await disk.write(0, new DataView(bytes(1, 2, 3).buffer, 1, 2));
  assert.deepEqual(worker().last("write").args[1], bytes(2, 3));
  await disk.write(0, bytes(7).buffer);
  assert.deepEqual(worker().last("write").args[1], bytes(7));
  const shared = new Uint8Array(new SharedArrayBuffer(2));
  await disk.write(0, shared);
  assert.deepEqual(worker().last("write").args[1], bytes(0, 0));
  await assert.rejects(disk.write(0, shared, { transfer: true }), { code: "INVALID_ARGUMENT" });
});

test("write with transfer detaches the buffer, but not in vain", async () => {
  const disk = await opened();
  const view = bytes(1, 2, 3, 4).subarray(1, 3);
  await assert.rejects(disk.write(999, view, { transfer: true }), { code: "OUT_OF_RANGE" });
  await assert.rejects(disk.write(0, view, { transfer: true, signal: AbortSignal.abort("enough") }), (e) => e === "enough");
  assert.equal(view.byteLength, 2);
  await disk.write(0, view, { transfer: true });
  assert.equal(view.byteLength, 0);
  assert.deepEqual(worker().last("write").args[1], bytes(2, 3));
  await disk.close();
  const late = bytes(1);
  await assert.rejects(disk.write(0, late, { transfer: true }), { code: "CLOSED" });
  assert.equal(late.byteLength, 1);
});

test("a read-only disk refuses writes by itself", async () => {
  const disk = await opened({ readOnly: true });
  const view = bytes(1);
  await assert.rejects(disk.write(0, view, { transfer: true }), { code: "READ_ONLY", message: /^The disk "vda" is read-only/ });
  assert.equal(view.byteLength, 1);
  await disk.flush();
});

test("slice is that of an AsyncBuffer", async () => {
  const disk = await opened({ size: 10 });
  const model = bytes(0, 1, 2, 3, 4, 5, 6, 7, 8, 9).buffer;
  for (const range of [[], [0], [3], [3, 7], [-3], [-3, -1], [0, 99], [99], [-99, 2], [7, 3], [2.9, 4.9], [NaN, 2], [-Infinity, Infinity]]) {
    const got = await disk.slice(...range);
    assert.ok(got instanceof ArrayBuffer);
    assert.deepEqual(new Uint8Array(got), new Uint8Array(model.slice(/** @type {any} */ (range[0]), range[1])), `slice(${range})`);
  }
});

test("operations under way can be aborted, each by itself", async () => {
  const disk = await opened();
  worker().answers.read = () => new Promise(() => {});
  const controller = new AbortController();
  const reading = disk.read(0, 1, { signal: controller.signal });
  const other = disk.flush();
  controller.abort("enough");
  await assert.rejects(reading, (e) => e === "enough");
  await other;
});

test("close lets what is under way end, and is idempotent", async () => {
  const disk = await opened();
  const reading = disk.read(0, 2);
  const closing = disk.close();
  assert.equal(disk.close(), closing);
  await assert.rejects(disk.read(0, 1), { code: "CLOSED", message: /^The disk "vda" was closed/ });
  await assert.rejects(disk.flush(), { code: "CLOSED" });
  assert.deepEqual(await reading, bytes(0, 1));
  await closing;
  assert.equal(await disk.closed, undefined);
  assert.equal(worker().terminated, 1);
  await disk.close();
});

/** What the worker rejects close() with where acknowledged writes are lost. */
const lost = { code: "UNFLUSHED", message: "acknowledged writes were lost", stage: "transmission", details: { offset: 5, length: 3 } };

/** Opens a disk whose close() tells of a loss. */
async function losing() {
  const disk = await opened();
  worker().answers.close = () => {
    worker().reply(worker().last("wait").id, undefined);
    return Promise.reject(lost);
  };
  return disk;
}

test("closed tells what close() found to be lost, through layers too", async () => {
  const disk = await losing();
  const view = readOnlyView(region(disk, { offset: 0, length: 10 }));
  /** @type {unknown[]} */ const told = [];
  disk.on("closed", ({ error }) => told.push(error));
  await view.close();
  for (const device of [disk, view]) {
    const why = await device.closed;
    assert.ok(why instanceof NbdError);
    assert.deepEqual([why.code, why.details], ["UNFLUSHED", { offset: 5, length: 3 }]);
  }
  assert.deepEqual(told, [await disk.closed]);
  await assert.rejects(disk.flush(), { code: "CLOSED" });
});

test("a close() during an outage tells what is lost by it", async () => {
  const disk = await losing();
  worker().say({ event: "lost", detail: { cause: lost } });
  await disk.close();
  assert.equal((await disk.closed)?.code, "UNFLUSHED");
});

test("a buffer that was transferred before is refused", async () => {
  const disk = await opened();
  const view = bytes(1, 2);
  await disk.write(0, view, { transfer: true });
  for (const gone of [view, view.buffer]) await assert.rejects(disk.write(0, gone), { code: "INVALID_ARGUMENT", message: /transferred/ });
  await disk.write(0, new Uint8Array(0));
});

test("one Worker is not for two connections", async () => {
  const own = new FakeWorker();
  const disk = await open(url, { ...options, worker: () => /** @type {any} */ (own) });
  await assert.rejects(open(url, { ...options, worker: () => /** @type {any} */ (own) }), { code: "INVALID_ARGUMENT", message: /a new Worker each time/ });
  assert.equal(own.terminated, 0);
  assert.deepEqual(await disk.read(3, 1), bytes(3));
});

test("a connection that ends tells why, to everybody", async () => {
  const disk = await opened();
  delete worker().answers.read;
  const reading = disk.read(0, 1);
  const cause = { code: "DISCONNECTED", message: "the bridge died" };
  worker().fail(worker().last("wait").id, cause);
  worker().fail(worker().last("read").id, cause);
  await assert.rejects(reading, { code: "DISCONNECTED" });
  const why = await disk.closed;
  assert.ok(why instanceof NbdError && why.code === "DISCONNECTED");
  await assert.rejects(disk.read(0, 1), { code: "DISCONNECTED" });
  await settled();
  assert.equal(worker().terminated, 1);
  await disk.close();
  await assert.rejects(disk.read(0, 1), { code: "DISCONNECTED" });
});

test("a worker that dies leaves nothing pending", async () => {
  const disk = await opened();
  delete worker().answers.read;
  const reading = disk.read(0, 1);
  worker().onerror({ message: "unreachable", preventDefault() {} });
  await assert.rejects(reading, { code: "WORKER" });
  assert.equal((await disk.closed)?.code, "WORKER");
  await assert.rejects(disk.flush(), { code: "WORKER" });
  await disk.close();
});

test("a disk can be disposed of", { skip: !Symbol.asyncDispose && "no Symbol.asyncDispose here" }, async () => {
  const disk = await opened();
  await /** @type {any} */ (disk)[Symbol.asyncDispose]();
  assert.equal(await disk.closed, undefined);
});
