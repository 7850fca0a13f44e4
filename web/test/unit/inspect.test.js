// The page's side of an inspector; its WebAssembly is in test/node22.
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { NbdError } from "../../client/index.js";
import { Inspector, Volume, inspect } from "../../client/inspect/index.js";
import { fakeInspector } from "./fake-inspector.js";
import { FakeWorker, install, settled } from "./fake-worker.js";
import { MemoryDisk } from "./memory-disk.js";

/** @type {() => FakeWorker} */ let worker;

beforeEach(() => {
  worker = install();
  FakeWorker.serve = fakeInspector;
});

/** Ended after each test: Node waits for handles. */
const disk = () => disks[disks.push(new MemoryDisk(8 << 20)) - 1];
/** @type {MemoryDisk[]} */ let disks = [];

afterEach(async () => {
  await Promise.all(disks.map(({ device }) => device.close()));
  disks = [];
});

async function begun() {
  const { device } = disk();
  const inspector = await inspect(device);
  const volume = await inspector.open(4096, 1 << 20);
  return { device, inspector, volume, opened: worker().answers.opened };
}

/** @template T @param {AsyncIterable<T>} iterable */
async function all(iterable) {
  const items = [];
  for await (const item of iterable) items.push(item);
  return items;
}

test("lists, files and searches give back what they opened", async () => {
  const { inspector, volume, opened } = await begun();
  assert.deepEqual(await all(volume.list("/")), [[{ name: "hostname", type: "file", size: 4 }]]);
  for await (const _ of volume.list("/")) break;
  const file = await volume.file("/hostname");
  await file.close();
  await all(inspector.search({ needles: [{ bytes: new Uint8Array(2) }, { text: "pass", encodings: ["utf-16le"] }] }));
  await settled();
  assert.deepEqual(opened(), ["volume"]);
  await volume.close();
  assert.deepEqual(opened(), []);
  await inspector.close();
});

test("what opens after its call was aborted is given back", async () => {
  const { inspector, volume, opened } = await begun();
  for (const call of /** @type {((signal: AbortSignal) => Promise<any>)[]} */ ([
    (signal) => inspector.open(4096, 1 << 20, { signal }), (signal) => volume.file("/hostname", { signal }),
    (signal) => all(volume.list("/", { signal })), (signal) => all(inspector.search({ needles: [{ text: "x" }], signal })),
  ])) {
    const controller = new AbortController();
    const calling = call(controller.signal);
    controller.abort(new Error("enough"));
    await assert.rejects(calling, /enough/);
    await settled();
  }
  assert.deepEqual(opened(), []); // the fake's one volume is also the first
  await inspector.close();
});

test("a file is a read-only device, and tells its holes", async () => {
  const { inspector, volume } = await begun();
  const file = await volume.file("/hostname");
  assert.equal(file.readOnly, true);
  assert.deepEqual(await file.blockStatus(0, 4), [{ offset: 0, length: 1, type: "data" }, { offset: 1, length: 1, type: "hole" }, { offset: 2, length: 2, type: "data" }]);
  await assert.rejects(file.write(0, new Uint8Array(1)), { code: "READ_ONLY" });
  await volume.close();
  assert.equal(await file.closed, undefined);
  await assert.rejects(file.read(0, 1), { code: "CLOSED" });
  await inspector.close();
});

test("a search says what it looks for", async () => {
  const { inspector } = await begun();
  const [[hit]] = await all(inspector.search({ needles: [{ bytes: Uint8Array.of(0, 255) }, { text: "x", ignoreCase: true, encodings: ["utf-16be"] }], offset: 1n, context: 2, skipHoles: false }));
  assert.deepEqual(JSON.parse(worker().last("search").args[0]), {
    offset: 1, length: (8 << 20) - 1, context: 2, skipHoles: false,
    needles: [{ index: 0, bytes: "AP8=" }, { index: 1, text: "x", encoding: "utf-16be", ignoreCase: true }],
  });
  assert.deepEqual({ ...hit, bytes: [...hit.bytes] }, { offset: 5000, length: 16, needle: 1, encoding: "utf-16be", bytes: [112, 0, 97, 0, 115, 0, 115, 0], before: 0 });
  await inspector.close();
});

test("what can't be meant reaches no Worker", async () => {
  const { device, inspector, volume } = await begun();
  const sent = worker().sent.length;
  for (const call of /** @type {(() => Promise<any>)[]} */ ([
    () => inspect(/** @type {any} */ ({})), () => inspect(device, /** @type {any} */ ({ wasm: 7 })), () => inspect(device, /** @type {any} */ ({ path: "/" })),
    () => inspector.open(-1, 1), () => inspector.layout(/** @type {any} */ ({ deep: true })), () => volume.stat("etc"), () => volume.file("/x", /** @type {any} */ ({ stream: 7 })),
    () => all(volume.list(/** @type {any} */ (7))), () => all(inspector.search({ needles: [] })), () => all(inspector.search(/** @type {any} */ ({ needles: "x" }))),
    () => all(inspector.search(/** @type {any} */ ({ needles: [{}] }))), () => all(inspector.search({ needles: [{ bytes: new Uint8Array(1025) }] })),
    () => all(inspector.search({ needles: [{ text: "x" }], context: 4097 })), () => all(inspector.search(/** @type {any} */ ({ needles: [{ text: "x", encodings: "utf-8" }] }))),
  ])) await assert.rejects(call(), { code: "INVALID_ARGUMENT" });
  await assert.rejects(inspector.signatures(8 << 20, 1), { code: "OUT_OF_RANGE" });
  await assert.rejects(all(inspector.search({ needles: [{ text: "x" }], offset: 9 << 20 })), { code: "OUT_OF_RANGE" });
  assert.equal(worker().sent.length, sent);
  await inspector.close();
});

test("a Worker that dies rejects every call with WORKER, and ends files", async () => {
  const { inspector, volume } = await begun();
  const file = await volume.file("/hostname");
  worker().answers = {};
  const calls = [inspector.layout(), volume.stat("/"), all(volume.list("/")), file.read(0, 1), all(inspector.search({ needles: [{ text: "x" }] }))];
  const ended = calls.map((call) => assert.rejects(call, { code: "WORKER", message: /inspector's Worker has died\. Inspect/ }));
  await settled();
  worker().onerror({ message: "out of memory" });
  await Promise.all(ended);
  await assert.rejects(inspector.layout(), { code: "WORKER" });
  assert.equal((await file.closed)?.code, "WORKER");
  await inspector.close();
});

test("that the device's Worker has died is the device's error", async () => {
  const { inspector } = await begun();
  worker().answers.layout = () => { throw new NbdError("WORKER", "The thread that holds the device has ended."); };
  await assert.rejects(inspector.layout(), { code: "WORKER", message: /holds the device/ });
  assert.equal((await inspector.signatures(0, 1)).length, 0);
  await inspector.close();
});

test("an end rejects what is under way, and again it is the same", async () => {
  const { inspector } = await begun();
  const { detach } = worker().answers;
  worker().answers = { detach };
  const ended = assert.rejects(inspector.layout(), { code: "CLOSED" });
  await Promise.all([inspector.close(), inspector.close(), ended]);
  assert.equal(worker().terminated, 1);
  await assert.rejects(inspector.layout(), { code: "CLOSED" });
});

test("what fails at the start leaves no Worker", async () => {
  const { device } = disk();
  FakeWorker.serve = () => ({ ...fakeInspector(), attach: () => { throw new TypeError("no function"); } });
  await assert.rejects(inspect(device), { code: "WASM_LOAD", message: /another one/ });
  await settled();
  assert.equal(worker().terminated, 1);
  await assert.rejects(inspect(device, { signal: AbortSignal.abort("enough") }), (reason) => reason === "enough");
});

test("the classes are there for types", () => {
  assert.ok(Inspector && Volume);
});
