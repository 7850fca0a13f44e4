import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { open } from "../../client/index.js";
import { FakeServer, blockSize } from "./fake-server.js";
import { FakeWorker, facts, install, settled } from "./fake-worker.js";
import { Random } from "./random.js";

const MiB = 1 << 20;
/** So many that a change of all of it is wide. */
const blocks = 80 * MiB / blockSize;

/** @type {() => FakeWorker} */
let worker;
beforeEach(() => { worker = install(); });

const url = "wss://bridge.example/nbd/lab7?ticket=SECRET";
const options = /** @type {const} */ ({ export: "vda", readOnly: false, tls: { mode: "off" } });

/** A disk over a FakeServer. @param {number} connections @param {Random} [random] */
async function served(connections, random = new Random(1)) {
  const server = new FakeServer(blocks, () => random.below(1 << 16) / (1 << 16));
  FakeWorker.serve = () => server.connect();
  return { server, disk: await open(url, { ...options, connections }) };
}

/** Ends a disk whose workers do not. @param {import("../../client/index.js").Disk} disk */
async function ended(disk) {
  for (const w of FakeWorker.made) w.reply(w.last("wait").id, undefined);
  await disk.close();
}

test("connections are made where the export allows several, and one where it does not", async () => {
  FakeWorker.answers.open = () => facts;
  assert.equal((await open(url, { ...options, connections: 4 })).connections, 4);
  assert.equal(FakeWorker.made.length, 4);
  FakeWorker.answers.open = () => ({ ...facts, features: { ...facts.features, multipleConnections: false } });
  assert.equal((await open(url, { ...options, connections: 4 })).connections, 1);
  assert.equal((await open(url, options)).connections, 1);
  assert.equal(FakeWorker.made.length, 6);
});

const tls = (/** @type {string} */ pin) => ({ tls: { peer: { pin } } });

/** @type {[string, object, object][]} */
const strangers = [
  ["size", {}, { size: 1001 }],
  ["write protection", {}, { readOnly: true }],
  ["features", {}, { features: { ...facts.features, trim: false } }],
  ["key", tls("a"), tls("b")],
  ["lack of a key", tls("a"), {}],
];
for (const [what, first, second] of strangers) {
  test(`connections that find another ${what} are refused, and all are closed`, async () => {
    let opened = 0;
    FakeWorker.answers.open = () => ({ ...facts, ...(opened++ === 2 ? second : first) });
    await assert.rejects(open(url, { ...options, connections: 3 }), { code: "IDENTITY", stage: "negotiation", retryable: false });
    assert.deepEqual(FakeWorker.made.map((w) => w.terminated > 0), [true, true, true]);
  });
}

test("an open of which one connection fails closes all", async () => {
  let opened = 0;
  FakeWorker.answers.open = () => opened++ === 2 ? Promise.reject({ code: "LIMIT", message: "too many" }) : facts;
  await assert.rejects(open(url, { ...options, connections: 3 }), { code: "LIMIT" });
  assert.deepEqual(FakeWorker.made.map((w) => w.terminated > 0), [true, true, true]);
});

test("the end of one connection is that of the disk", async () => {
  FakeWorker.answers.open = () => facts;
  const disk = await open(url, { ...options, connections: 3 });
  const [first, second, third] = FakeWorker.made;
  const reading = disk.read(0, 1);
  second.fail(second.last("wait").id, { code: "DISCONNECTED", message: "the bridge died" });
  await assert.rejects(reading, { code: "DISCONNECTED" });
  assert.equal((await disk.closed)?.code, "DISCONNECTED");
  await settled();
  assert.ok(first.terminated && third.terminated);
});

test("bytes go over the connection of their stripe, whatever the range", async () => {
  FakeWorker.answers.open = () => ({ ...facts, size: 100 * MiB });
  const disk = await open(url, { ...options, connections: 3 });
  for (const w of FakeWorker.made) w.answers = { read: (offset, length) => Uint8Array.from({ length }, (_, i) => (offset + i) % 251), write: () => undefined };
  const pieces = (/** @type {string} */ method) => FakeWorker.made.map((w) => w.sent.filter((m) => m.method === method).map((m) => [m.args[0], m.args[1].length ?? m.args[1]]));

  const got = await disk.read(MiB - 5, 2 * MiB + 7);
  assert.ok(got.every((b, i) => b === (MiB - 5 + i) % 251));
  assert.deepEqual(pieces("read"), [[[MiB - 5, 5], [3 * MiB, 2]], [[MiB, MiB]], [[2 * MiB, MiB]]]);

  await disk.write(2 * MiB - 1, got.subarray(3, 3 + MiB + 2), { fua: true });
  assert.deepEqual(pieces("write"), [[[3 * MiB, 1]], [[2 * MiB - 1, 1]], [[2 * MiB, MiB]]]);
  const [, sent, fua] = FakeWorker.made[2].last("write").args;
  assert.ok(fua && sent.every((/** @type {number} */ b, /** @type {number} */ i) => b === got[4 + i]));
});

test("with one connection nothing is cut, and nothing flushed unasked", async () => {
  FakeWorker.answers.open = () => ({ ...facts, size: 2 ** 40 });
  const disk = await open(url, options);
  for (const method of ["zero", "trim", "write"]) worker().answers = { ...worker().answers, [method]: () => undefined };
  await disk.write(MiB - 1, new Uint8Array(2));
  await disk.zero(0, 2 ** 40);
  await disk.trim(0, 2 ** 40);
  assert.deepEqual(worker().sent.slice(3).map((m) => m.method), ["write", "zero", "trim"]);
});

test("a flush is one of all connections, and waits for all", async () => {
  FakeWorker.answers.open = () => facts;
  const disk = await open(url, { ...options, connections: 3 });
  let done = false;
  const flushing = disk.flush().finally(() => { done = true; });
  for (const w of FakeWorker.made) {
    await settled();
    assert.equal(done, false);
    w.reply(w.last("flush").id, undefined);
  }
  await flushing;
});

test("what a flush of ours could not promise, the next one of the caller's tells", async () => {
  FakeWorker.answers.open = () => ({ ...facts, size: 100 * MiB });
  const disk = await open(url, { ...options, connections: 2 });
  let flushes = 0;
  const lost = { code: "UNFLUSHED", message: "writes were lost" };
  for (const w of FakeWorker.made) w.answers = { zero: () => undefined, write: () => undefined, flush: () => ++flushes === 2 ? Promise.reject(lost) : undefined };
  await assert.rejects(disk.zero(0, 100 * MiB), { code: "UNFLUSHED" });
  await assert.rejects(disk.flush(), { code: "UNFLUSHED" });
  await disk.flush();
});

test("what no flush has told is told by closed", async () => {
  FakeWorker.answers.open = () => ({ ...facts, size: 100 * MiB });
  const disk = await open(url, { ...options, connections: 2 });
  let flushes = 0;
  const lost = { code: "UNFLUSHED", message: "writes were lost" };
  for (const w of FakeWorker.made) w.answers = { zero: () => undefined, flush: () => ++flushes === 2 ? Promise.reject(lost) : undefined, close: () => w.reply(w.last("wait").id, undefined) };
  await assert.rejects(disk.zero(0, 100 * MiB), { code: "UNFLUSHED" });
  await disk.close();
  assert.equal((await disk.closed)?.code, "UNFLUSHED");
});

test("a disk of which one connection is down is not closed before the others are", async () => {
  FakeWorker.answers.open = () => facts;
  const disk = await open(url, { ...options, connections: 2 });
  const [first, second] = FakeWorker.made;
  for (const w of [first, second]) w.answers = { close: () => w.reply(w.last("wait").id, undefined) };
  const reading = disk.read(0, 1);
  second.say({ event: "lost", detail: { cause: { code: "IDLE", message: "idle" } } });
  let over = false;
  disk.closed.then(() => { over = true; });
  const closing = disk.close();
  await settled();
  await settled();
  assert.ok(second.terminated && !over);
  first.reply(first.last("read").id, Uint8Array.of(7));
  assert.deepEqual(await reading, Uint8Array.of(7));
  await closing;
  assert.equal(await disk.closed, undefined);
});

test("a wide change goes over the first connection, between flushes of all", async () => {
  const { server, disk } = await served(2);
  await disk.zero(0, 64 * MiB);
  assert.equal(server.log.splice(0).length, 64, "this one is cut");
  for (const method of /** @type {const} */ (["zero", "trim"])) {
    await disk[method](0, 65 * MiB);
    assert.deepEqual(server.log.splice(0), ["0: flush", "1: flush", `0: ${method}`, "0: flush", "1: flush"]);
  }
  await ended(disk);
});

test("after a wide zero whose last flush failed, a change has to make up for it", async () => {
  FakeWorker.answers.open = () => ({ ...facts, size: 100 * MiB });
  const disk = await open(url, { ...options, connections: 2 });
  let broken = false;
  const eio = { code: "EIO", message: "bad" };
  for (const w of FakeWorker.made) w.answers = { zero: () => { broken = true; }, write: () => undefined, flush: () => broken ? Promise.reject(eio) : undefined };
  await assert.rejects(disk.zero(0, 100 * MiB), { code: "EIO" });
  await assert.rejects(disk.write(MiB, new Uint8Array(1)), { code: "EIO" });
  assert.equal(FakeWorker.made[1].last("write"), undefined);
  broken = false;
  await disk.write(MiB, new Uint8Array(1));
  assert.deepEqual(FakeWorker.made[0].sent.slice(-1).map((m) => m.method), ["flush"]);
});

test("a wide zero that is aborted rejects at once, and others wait until it is over", async () => {
  FakeWorker.answers.open = () => ({ ...facts, size: 100 * MiB });
  const disk = await open(url, { ...options, connections: 2 });
  const [first, second] = FakeWorker.made;
  for (const w of [first, second]) w.answers = { write: () => undefined, flush: () => undefined };
  const controller = new AbortController();
  const zeroing = disk.zero(0, 100 * MiB, { signal: controller.signal });
  await settled();
  assert.ok(first.last("zero"));
  controller.abort("enough");
  await assert.rejects(zeroing, (e) => e === "enough");
  const writing = disk.write(MiB, new Uint8Array(1));
  const given = new AbortController();
  const givenUp = disk.write(MiB, new Uint8Array(1), { signal: given.signal });
  await settled();
  assert.equal(second.last("write"), undefined);
  given.abort("later");
  await assert.rejects(givenUp, (e) => e === "later");
  first.reply(first.last("zero").id, undefined);
  await writing;
  assert.equal(second.sent.filter((m) => m.method === "write").length, 1);
});

test("block status of many stripes knows what was written over other connections", async () => {
  const { server, disk } = await served(3);
  await disk.write(MiB, new Uint8Array(MiB).fill(7));
  const told = await disk.blockStatus(0, 3 * MiB);
  assert.deepEqual(told.map(({ length, type }) => [length, type]), [[MiB, "hole"], [MiB, "data"], [MiB, "hole"]]);
  assert.deepEqual(server.log, ["1: write", "1: flush", "0: blockStatus"]);
  await disk.blockStatus(0, 3 * MiB);
  await disk.blockStatus(MiB, MiB);
  assert.deepEqual(server.log.slice(3), ["0: blockStatus", "1: blockStatus"]);
  await ended(disk);
});

/** What a block may hold; undefined is anything. @typedef {Set<number> | undefined} Allowed */

/** Does random things, some at once, and knows what may come of them. */
class Run {
  /** @type {Allowed[]} */ allowed = Array.from({ length: blocks }, () => new Set([0]));
  #value = 0;

  /** @param {import("../../client/index.js").Disk} disk @param {FakeServer} server @param {Random} random */
  constructor(disk, server, random) {
    Object.assign(this, { disk, server, random });
    this.disk = disk;
    this.server = server;
    this.random = random;
  }

  async step() {
    const troubled = this.#trouble();
    const flushed = this.random.chance(20);
    /** @type {Map<number, Allowed[]>} */ const outcomes = new Map();
    const begin = (/** @type {any} */ change) => {
      for (let block = change.first; block < change.first + change.count; block++) outcomes.set(block, [...outcomes.get(block) ?? [], change.outcome]);
      return change.run();
    };
    const changes = Array.from({ length: 1 + this.random.below(6) }, () => this.random.chance(8) ? this.#wide() : this.#narrow());
    await Promise.all(changes.map(begin));
    for (const [block, list] of outcomes) this.allowed[block] = list.includes(undefined) ? undefined : new Set(list.flatMap((some) => [...some ?? []]));
    if (flushed) await this.disk.flush();
    const from = this.random.below(blocks - 24);
    await this.verify(from, 24);
    await troubled;
    await this.verify(from, 24);
  }

  /** Breaks something meanwhile, now and then. */
  async #trouble() {
    for (let n = this.random.below(40); n > 0; n--) await new Promise(setImmediate);
    if (this.random.chance(30)) this.server.crash();
    else if (this.random.chance(30)) this.server.cut(this.random.below(this.server.connections.length));
  }

  #narrow() {
    const first = this.random.below(blocks - 12), count = 1 + this.random.below(12);
    const [offset, length] = [first * blockSize, count * blockSize];
    const value = this.#value = this.#value % 255 + 1;
    const kind = this.random.below(10);
    if (kind === 0) return { first, count, outcome: undefined, run: () => this.disk.trim(offset, length) };
    if (kind < 3) return { first, count, outcome: new Set([0]), run: () => this.disk.zero(offset, length) };
    return { first, count, outcome: new Set([value]), run: () => this.disk.write(offset, new Uint8Array(length).fill(value), { fua: kind === 9 }) };
  }

  #wide() {
    const first = this.random.below(8), count = 66 * MiB / blockSize + this.random.below(20);
    const [offset, length] = [first * blockSize, count * blockSize];
    if (this.random.chance(20)) return { first, count, outcome: undefined, run: () => this.disk.trim(offset, length) };
    return { first, count, outcome: new Set([0]), run: () => this.disk.zero(offset, length) };
  }

  /** What is read now has to be read from now on, but for what was trimmed. @param {number} first @param {number} count */
  async verify(first, count) {
    const bytes = await this.disk.read(first * blockSize, count * blockSize);
    for (let i = 0; i < count; i++) {
      const block = first + i, value = bytes[i * blockSize], allowed = this.allowed[block];
      assert.equal(bytes[(i + 1) * blockSize - 1], value);
      assert.ok(!allowed || allowed.has(value), `block ${block} holds ${value}, want ${[...allowed ?? []]}`);
      if (allowed) this.allowed[block] = new Set([value]);
    }
  }
}

for (const connections of [1, 2, 3, 5]) {
  const seed = Number(process.env.SEED ?? Date.now() % 1e9);
  test(`random changes over ${connections} connections that are lost and made again, seed ${seed}`, async () => {
    const random = new Random(seed + connections);
    const { server, disk } = await served(connections, random);
    const run = new Run(disk, server, random);
    for (let i = 0; i < 150; i++) await run.step();
    await disk.flush();
    server.crash();
    for (let first = 0; first < blocks; first += 20) await run.verify(first, 20);
    await ended(disk);
  });
}
