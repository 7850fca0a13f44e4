import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { beforeEach, mock, test } from "node:test";
import { open } from "../../client/index.js";
import { FakeWorker, bytes, facts, install, settled } from "./fake-worker.js";

/** @type {() => FakeWorker} */
let worker;
beforeEach(() => { worker = install(); });

const options = /** @type {const} */ ({ readOnly: false, tls: { mode: "off" } });
const names = /** @type {const} */ (["stalled", "resumed", "reconnecting", "reconnected", "closed", "stats"]);
const cause = { code: "DISCONNECTED", message: "the bridge died", stage: "transmission", details: {} };

/** A disk, and what it tells, by name. */
async function heard(connections = 1) {
  FakeWorker.answers.open = () => facts;
  const disk = await open("wss://bridge.example/nbd/lab7", { ...options, connections });
  /** @type {any[]} */ const told = [];
  for (const name of names) disk.on(name, (detail) => told.push([name, detail]));
  return { disk, told, tell: (/** @type {number} */ i, /** @type {string} */ event, detail = {}) => FakeWorker.made[i].say({ event, detail }) };
}

/** Runs with a clock that the test moves. @param {(pass: (ms: number) => Promise<void>) => Promise<void>} body */
async function timed(body) {
  mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_000_000 });
  try {
    await body(async (ms) => {
      mock.timers.tick(ms);
      await settled();
    });
  } finally {
    mock.timers.reset();
  }
}

const only = (/** @type {any[]} */ told, /** @type {string[]} */ ...wanted) => told.filter(([name]) => wanted.includes(name));

test("an outage is told with each attempt, and its end once", () => timed(async (pass) => {
  const { disk, told, tell } = await heard();
  tell(0, "lost", { cause });
  tell(0, "retrying", { attempt: 1, delay: 50, cause });
  await pass(1000);
  tell(0, "retrying", { attempt: 2, delay: 150, cause });
  await pass(200);
  tell(0, "connected", { tls: { version: "TLS 1.3" } });
  assert.deepEqual(told.map(([name, { attempt, delay, after }]) => [name, attempt ?? after, delay]), [["reconnecting", 1, 50], ["reconnecting", 2, 150], ["reconnected", 1200, undefined]]);
  assert.equal(told[0][1].cause.code, "DISCONNECTED");
  assert.ok(told[0][1].cause instanceof Error);
  assert.deepEqual([disk.stats().reconnects, disk.tls?.version], [1, "TLS 1.3"]);
}));

test("an outage of several connections is told as one", () => timed(async (pass) => {
  const { told, tell } = await heard(3);
  for (const i of [0, 2]) {
    tell(i, "lost", { cause });
    tell(i, "retrying", { attempt: 1, delay: 50, cause });
  }
  tell(2, "retrying", { attempt: 2, delay: 60, cause });
  tell(0, "connected");
  await pass(300);
  tell(0, "retrying", { attempt: 2, delay: 60, cause });
  tell(2, "connected");
  tell(1, "lost", { cause });
  tell(1, "retrying", { attempt: 1, delay: 50, cause });
  tell(1, "connected");
  const short = only(told, "reconnecting", "reconnected").map(([name, { attempt, after }]) => `${name} ${attempt ?? after}`);
  assert.deepEqual(short, ["reconnecting 1", "reconnecting 2", "reconnected 300", "reconnecting 1", "reconnected 0"]);
}));

test("five seconds without an answer are a stall, which is told once", () => timed(async (pass) => {
  const { disk, told } = await heard();
  const reading = disk.read(0, 2);
  await settled();
  await pass(4900);
  const other = disk.read(2, 1);
  await settled();
  assert.deepEqual(only(told, "stalled"), []);
  await pass(200);
  await pass(20_000);
  assert.deepEqual(only(told, "stalled"), [["stalled", { since: 1_000_000 }]]);
  const [first, second] = worker().sent.filter((m) => m.method === "read");
  worker().reply(first.id, bytes(1, 2));
  await reading;
  assert.deepEqual(only(told, "resumed"), [["resumed", { after: 25_100 }]]);
  await pass(4000);
  worker().reply(second.id, bytes(3));
  await other;
  await pass(60_000);
  assert.equal(only(told, "stalled", "resumed").length, 2, "nothing is under way");
}));

test("answers keep a stall away, and aborts end one", () => timed(async (pass) => {
  const { disk, told } = await heard();
  const controller = new AbortController();
  const stuck = disk.read(0, 1, { signal: controller.signal });
  for (let i = 0; i < 5; i++) {
    const flushing = disk.flush();
    await pass(3000);
    worker().reply(worker().last("flush").id, undefined);
    await flushing;
  }
  assert.deepEqual(only(told, "stalled"), []);
  await pass(5000);
  assert.equal(only(told, "stalled").length, 1);
  controller.abort("enough");
  await assert.rejects(stuck, (e) => e === "enough");
  assert.deepEqual(only(told, "resumed"), [["resumed", { after: 5000 }]]);
}));

test("a check without an answer is no sign of life", () => timed(async (pass) => {
  const { disk, told } = await heard();
  const reading = disk.read(0, 1);
  const checking = disk.check({ timeout: 6000 });
  await pass(6000);
  worker().reply(worker().last("check").id, false);
  assert.equal(await checking, false);
  assert.deepEqual([only(told, "stalled", "resumed").length, disk.stats().requests], [1, 0]);
  worker().reply(worker().last("read").id, bytes(1));
  await reading;
  assert.deepEqual(only(told, "resumed"), [["resumed", { after: 6000 }]]);
}));

test("an outage is a stall too, until it is over", () => timed(async (pass) => {
  const { disk, told, tell } = await heard(2);
  tell(1, "lost", { cause });
  const flushing = disk.read(0, 1);
  await pass(3000);
  worker();
  FakeWorker.made[0].reply(FakeWorker.made[0].last("read").id, bytes(1));
  await flushing;
  await pass(2000);
  assert.deepEqual(only(told, "stalled"), [["stalled", { since: 1_000_000 }]]);
  const again = disk.read(0, 1);
  FakeWorker.made[0].reply(FakeWorker.made[0].last("read").id, bytes(1));
  await again;
  assert.deepEqual(only(told, "resumed"), []);
  await pass(1000);
  tell(1, "connected");
  assert.deepEqual(only(told, "reconnected", "resumed"), [["reconnected", { after: 6000 }], ["resumed", { after: 6000 }]]);
}));

test("stats count, and are told at most once a second while something changes", () => timed(async (pass) => {
  const { disk, told } = await heard();
  worker().answers = { read: (_, length) => new Uint8Array(length), write: () => undefined, flush: () => undefined };
  await pass(5000);
  assert.deepEqual(told, []);
  for (let i = 0; i < 10; i++) await disk.read(0, 100);
  await disk.write(0, bytes(1, 2, 3));
  const stuck = disk.trim(0, 1);
  const controller = new AbortController();
  const left = disk.zero(0, 1, { signal: controller.signal });
  controller.abort("enough");
  await assert.rejects(left, (e) => e === "enough");
  await settled();
  const { latency, ...counts } = disk.stats();
  assert.deepEqual(counts, { bytesRead: 1000, bytesWritten: 3, requests: 11, inFlight: 1, reconnects: 0 });
  assert.ok(latency.p50 > 0 && latency.p50 <= latency.p95 && latency.p95 <= latency.p99);
  await pass(999);
  assert.equal(told.length, 0);
  await pass(1);
  assert.deepEqual(told, [["stats", disk.stats()]]);
  await disk.flush();
  await pass(1000);
  await pass(2000);
  assert.equal(only(told, "stats").length, 2);
  worker().reply(worker().last("trim").id, undefined);
  await stuck;
}));

test("latency is that of the last 512 answers", async () => {
  const { Counter } = await import("../../client/stats.js");
  const counter = new Counter(() => {});
  assert.deepEqual(counter.stats().latency, { p50: 0, p95: 0, p99: 0 });
  for (let i = 0; i < 1000; i++) counter.answered(1000);
  for (let i = 1; i <= 512; i++) counter.answered(i);
  assert.deepEqual(counter.stats().latency, { p50: 256, p95: 487, p99: 507 });
  counter.end();
});

test("the end is told once, and is the last event", async () => {
  const { disk, told, tell } = await heard(2);
  FakeWorker.made[1].fail(FakeWorker.made[1].last("wait").id, cause);
  const error = await disk.closed;
  await settled();
  tell(0, "lost", { cause });
  tell(0, "retrying", { attempt: 1, delay: 1, cause });
  assert.deepEqual(told, [["closed", { error }]]);
});

test("a disk that has ended leaves nothing at the signals of its listeners", async () => {
  const { disk } = await heard();
  const { signal } = new AbortController();
  disk.on("stats", () => {}, { signal });
  assert.equal(getEventListeners(signal, "abort").length, 1);
  worker().fail(worker().last("wait").id, cause);
  await disk.closed;
  await settled();
  assert.equal(getEventListeners(signal, "abort").length, 0);
});

test("a listener that throws does no harm, and is reported", async () => {
  const { disk, told, tell } = await heard();
  /** @type {unknown[]} */ const reported = [];
  Object.assign(globalThis, { reportError: (/** @type {unknown} */ e) => reported.push(e) });
  try {
    disk.on("reconnected", () => { throw new Error("the page's"); });
    disk.on("reconnected", () => told.push("next"));
    tell(0, "lost", { cause });
    tell(0, "connected");
    assert.equal(told.at(-1), "next");
    assert.deepEqual(reported.map(String), ["Error: the page's"]);
  } finally {
    Reflect.deleteProperty(globalThis, "reportError");
  }
});

test("listeners are taken away by their signal, and names that are none are refused", async () => {
  const { disk, tell } = await heard();
  let calls = 0;
  const listener = () => { calls++; };
  const controller = new AbortController();
  disk.on("reconnected", listener, { signal: controller.signal });
  disk.on("reconnected", listener);
  disk.on("reconnected", listener, { signal: AbortSignal.abort() });
  const outage = () => (tell(0, "lost", { cause }), tell(0, "connected"));
  outage();
  assert.equal(calls, 2);
  controller.abort();
  outage();
  assert.equal(calls, 3);
  assert.throws(() => disk.on(/** @type {any} */ ("close"), listener), { code: "INVALID_ARGUMENT", message: /no event close: known are stalled/ });
  assert.throws(() => disk.on("closed", /** @type {any} */ (7)), { code: "INVALID_ARGUMENT" });
  assert.throws(() => disk.on("closed", listener, /** @type {any} */ ({ once: true })), { code: "INVALID_ARGUMENT" });
});

test("check asks every connection", async () => {
  const { disk } = await heard(2);
  for (const w of FakeWorker.made) w.answers = { check: () => true };
  assert.equal(await disk.check(), true);
  FakeWorker.made[1].answers.check = () => false;
  assert.equal(await disk.check({ timeout: 500 }), false);
  assert.deepEqual(FakeWorker.made.map((w) => w.sent.filter((m) => m.method === "check").map((m) => m.args[0])), [[10_000, 500], [10_000, 500]]);
  for (const timeout of [0, -1, 0.5, "1", 2 ** 31]) await assert.rejects(disk.check(/** @type {any} */ ({ timeout })), { code: "INVALID_ARGUMENT" });
});

test("close during an outage does not wait for it", async () => {
  const { disk, tell } = await heard();
  const reading = disk.read(0, 1);
  await settled();
  tell(0, "lost", { cause });
  worker().answers = { close: () => {
    worker().fail(worker().last("read").id, { code: "CLOSED", message: "closed" });
    worker().reply(worker().last("wait").id, undefined);
  } };
  await disk.close();
  await assert.rejects(reading, { code: "CLOSED" });
  assert.equal(await disk.closed, undefined);
});
