import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { info, open } from "../../client/index.js";
import { extentsOf, maxExtents } from "../../client/extents.js";
import { FakeWorker, bytes, facts, install, settled } from "./fake-worker.js";

/** @type {() => FakeWorker} */
let worker;
beforeEach(() => {
  worker = install();
  for (const method of ["trim", "zero", "cache", "flush"]) FakeWorker.answers[method] = () => undefined;
});

const url = "wss://bridge.example/nbd/lab7";
const tls = { ca: "PEM", serverName: "nbd7.lab" };

async function opened(changed = {}) {
  FakeWorker.answers.open = () => ({ ...facts, ...changed });
  return open(url, { tls, readOnly: false });
}

/** What the worker says of a range. @param {...number} pairs length and type */
const told = (...pairs) => new Uint8Array(Float64Array.from(pairs).buffer);

test("trim, zero and cache hand over the range", async () => {
  const disk = await opened();
  await disk.trim(3n, 4);
  assert.deepEqual(worker().last("trim").args, [3, 4]);
  await disk.zero(0, 1000n);
  assert.deepEqual(worker().last("zero").args, [0, 1000, false]);
  await disk.zero(0, 1000, { unmap: true });
  assert.deepEqual(worker().last("zero").args, [0, 1000, true]);
  await disk.cache(1, 2);
  assert.deepEqual(worker().last("cache").args, [1, 2]);
});

test("ranges that can't be meant are not sent, by any method", async () => {
  const disk = await opened();
  const before = worker().sent.length;
  /** @type {((offset: any, length: any) => Promise<unknown>)[]} */
  const methods = [
    (o, l) => disk.trim(o, l), (o, l) => disk.zero(o, l), (o, l) => disk.cache(o, l), (o, l) => disk.blockStatus(o, l),
    (o, l) => disk.readMany([{ offset: 0, length: 1 }, { offset: o, length: l }]),
    (o, l) => disk.stream({ offset: o, length: l }).next(),
  ];
  for (const method of methods) {
    for (const [offset, length] of [[-1, 1], [0.5, 1], [0, -1], [2 ** 53, 1], [0n, 2n ** 64n], ["0", 1], [0, null]]) {
      if (length === null && method === methods[5]) continue; // a stream's default
      await assert.rejects(method(offset, length), { code: "INVALID_ARGUMENT", stage: "call", retryable: false });
    }
    await assert.rejects(method(999, 2), { code: "OUT_OF_RANGE", offset: 999 });
    await assert.rejects(method(1000n, 2n ** 53n - 1n), { code: "OUT_OF_RANGE" });
  }
  await assert.rejects(disk.trim(0, 1, /** @type {any} */ ({ fua: true })), { code: "INVALID_ARGUMENT" });
  await assert.rejects(disk.readMany(/** @type {any} */ ("0")), { code: "INVALID_ARGUMENT" });
  await assert.rejects(disk.readMany(/** @type {any} */ ([7])), { code: "INVALID_ARGUMENT" });
  assert.equal(worker().sent.length, before);
});

test("a read-only disk sends nothing that changes it", async () => {
  const disk = await opened({ readOnly: true });
  const before = worker().sent.length;
  for (const change of [disk.write(1, bytes(1)), disk.trim(1, 1), disk.zero(1, 1), disk.zero(1, 1, { unmap: true })]) {
    await assert.rejects(change, { code: "READ_ONLY", stage: "call", offset: 1 });
  }
  assert.equal(worker().sent.length, before);
});

test("what an export does not offer is made up for, or has a code", async () => {
  const disk = await opened({ size: 3 << 20, features: { ...facts.features, zero: false, trim: false } });
  worker().answers.write = () => undefined;
  await disk.trim(0, 1000);
  await disk.zero(5, 2 << 20, { unmap: true });
  const sent = worker().sent.filter((m) => m.method !== "wait").slice(2);
  assert.deepEqual(sent.map((m) => [m.method, m.args[0], m.args[1].length, m.args[1].some(Boolean)]), [["write", 5, 1 << 20, false], ["write", 5 + (1 << 20), 1 << 20, false]]);
  delete worker().answers.cache;
  const caching = disk.cache(0, 1);
  await settled();
  worker().fail(worker().last("cache").id, { code: "ENOTSUP", message: "caching: not supported", stage: "transmission", details: { offset: 0 } });
  await assert.rejects(caching, { code: "ENOTSUP", retryable: false, offset: 0 });
});

test("block status asks on until the range is covered, and merges", async () => {
  const disk = await opened();
  const answers = [told(10, 0), told(5, 0, 5, 2), told(80, 1)];
  worker().answers.blockStatus = () => answers.shift();
  assert.deepEqual(await disk.blockStatus(100n, 100), [
    { offset: 100, length: 15, type: "data" },
    { offset: 115, length: 5, type: "hole" },
    { offset: 120, length: 80, type: "zero" },
  ]);
  const asked = worker().sent.filter((m) => m.method === "blockStatus").map((m) => m.args);
  assert.deepEqual(asked, [[100, 100], [110, 90], [120, 80]]);
  assert.deepEqual(await disk.blockStatus(7, 0), []);
});

test("block status of more extents than can be held ends in data", async () => {
  const many = Float64Array.from({ length: maxExtents }, (_, i) => i % 4 === 3 ? 1 : (i + 1) % 2);
  const extents = await extentsOf(async () => new Uint8Array(many.slice().buffer), 0, 2 ** 40);
  assert.equal(extents.length, maxExtents + 1);
  assert.deepEqual(extents.at(-1), { offset: maxExtents, length: 2 ** 40 - maxExtents, type: "data" });
});

test("info answers and ends its worker", async () => {
  FakeWorker.answers.info = () => facts;
  assert.deepEqual(await info(url, { tls, export: "vda" }), facts);
  assert.deepEqual(worker().last("info").args[0], { url, export: "vda", tls: { mode: "require", ...tls } });
  assert.equal(worker().terminated, 1);
});

test("a disk tells what its export offers", async () => {
  const disk = await opened();
  assert.deepEqual([disk.features.trim, disk.features.cache, disk.description], [true, false, "the first"]);
});
