import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { NbdError } from "../../client/errors.js";
import { Rpc } from "../../client/rpc.js";
import { FakeWorker, install, settled } from "./fake-worker.js";

/** @type {() => FakeWorker} */
let worker;
beforeEach(() => {
  worker = install();
});

const closed = new NbdError("CLOSED", "closed");

test("it starts the module worker beside it", () => {
  new Rpc();
  assert.match(String(worker().args[0]), /\/client\/worker\.js$/);
  assert.deepEqual(worker().args[1], { type: "module" });
});

test("answers find their calls in any order", async () => {
  const rpc = new Rpc();
  const calls = [rpc.call("a"), rpc.call("b"), rpc.call("c")];
  worker().reply(3, "three");
  worker().fail(2, { code: "EIO", message: "two" });
  worker().reply(1, "one");
  const [a, b, c] = await Promise.allSettled(calls);
  assert.deepEqual([a, c], [{ status: "fulfilled", value: "one" }, { status: "fulfilled", value: "three" }]);
  assert.ok(b.status === "rejected" && b.reason instanceof NbdError && b.reason.code === "EIO");
});

test("a signal that is aborted already sends nothing", async () => {
  const rpc = new Rpc();
  await assert.rejects(rpc.call("a", [], { signal: AbortSignal.abort("enough") }), (e) => e === "enough");
  assert.equal(worker().sent.length, 0);
});

test("an abort rejects at once with the reason and tells the worker", async () => {
  const rpc = new Rpc();
  const controller = new AbortController();
  const call = rpc.call("a", [], { signal: controller.signal });
  const reason = new Error("enough");
  controller.abort(reason);
  await assert.rejects(call, (e) => e === reason);
  assert.deepEqual(worker().sent, [{ id: 1, method: "a", args: [], abortable: true }, { abort: 1 }]);
  worker().reply(1, "late");
});

test("a patient call ends with the worker's answer, also after an abort", async () => {
  const rpc = new Rpc();
  const controller = new AbortController();
  const calls = [rpc.call("a", [], { signal: controller.signal, patient: true }), rpc.call("b", [], { signal: controller.signal, patient: true })];
  controller.abort("enough");
  assert.deepEqual(worker().sent.slice(2), [{ abort: 1 }, { abort: 2 }]);
  worker().reply(1, "one");
  worker().fail(2, { code: "CLOSED", message: "two" });
  assert.equal(await calls[0], "one");
  await assert.rejects(calls[1], { code: "CLOSED" });
});

test("an abort after the answer is nothing", async () => {
  const rpc = new Rpc();
  const controller = new AbortController();
  const call = rpc.call("a", [], { signal: controller.signal });
  worker().reply(1, "done");
  assert.equal(await call, "done");
  controller.abort();
  assert.equal(worker().sent.length, 1);
});

/** @type {[string, (w: FakeWorker) => void, string][]} */
const deaths = [
  ["the WASM died", (w) => w.onmessage({ data: { dead: { code: "WORKER", message: "panic" } } }), "WORKER"],
  ["an uncaught exception", (w) => (w.onmessage({ data: { id: 99, result: 0 } }), w.onerror({ message: "boom", preventDefault() {} })), "WORKER"],
  ["the script did not load", (w) => w.onerror({}), "WASM_LOAD"],
  ["an unreadable message", (w) => w.onmessageerror({}), "WORKER"],
];
for (const [name, die, code] of deaths) {
  test(`everything rejects when the worker is gone: ${name}`, async () => {
    const rpc = new Rpc();
    const calls = [rpc.call("a"), rpc.call("b")];
    die(worker());
    for (const call of calls) await assert.rejects(call, { name: "NbdError", code });
    await assert.rejects(rpc.call("c"), { code });
    assert.equal(worker().terminated, 1);
  });
}

test("a Worker that can't be made is WASM_LOAD", () => {
  /** @type {any} */ (globalThis).Worker = class { constructor() { throw new Error("SecurityError"); } };
  assert.throws(() => new Rpc(), { code: "WASM_LOAD", message: /worker-src/ });
});

test("what can't be cloned is refused", async () => {
  await assert.rejects(new Rpc().call("a", [() => {}]), { code: "INVALID_ARGUMENT" });
});

test("shutDown waits for the calls under way", async () => {
  const rpc = new Rpc();
  const call = rpc.call("a");
  const done = rpc.shutDown(closed, 60_000);
  await assert.rejects(rpc.call("b"), { code: "CLOSED" });
  assert.equal(worker().terminated, 0);
  worker().reply(1, "last");
  assert.equal(await call, "last");
  await done;
  assert.equal(worker().terminated, 1);
});

test("shutDown does not wait for ever", async () => {
  const rpc = new Rpc();
  const call = assert.rejects(rpc.call("a"), { code: "CLOSED" });
  await rpc.shutDown(closed, 10);
  await call;
  assert.equal(worker().terminated, 1);
});

test("shutDown of an idle worker is immediate, and twice is fine", async () => {
  const rpc = new Rpc();
  await Promise.all([rpc.shutDown(closed, 60_000), rpc.shutDown(closed, 60_000)]);
  await settled();
});

test("the worker may ask for a ticket, and gets it or why there is none", async () => {
  let asked = 0;
  new Rpc(undefined, { token: async () => {
    if (++asked === 2) throw new NbdError("UNAUTHORISED", "no network", {}, { stage: "connect" });
    return `ticket-${asked}`;
  } });
  for (const ask of [7, 8, 9]) worker().say({ ask });
  await settled();
  assert.deepEqual(worker().sent, [
    { answer: 7, token: "ticket-1" },
    { answer: 9, token: "ticket-3" },
    { answer: 8, error: { code: "UNAUTHORISED", message: "no network", stage: "connect", details: {} } },
  ].sort((a, b) => worker().sent.findIndex((m) => m.answer === a.answer) - worker().sent.findIndex((m) => m.answer === b.answer)));
});

test("the worker tells of its connection", () => {
  /** @type {unknown[]} */ const told = [];
  new Rpc(undefined, { event: (kind, detail) => told.push([kind, detail]) });
  worker().say({ event: "lost", detail: { cause: { code: "IDLE", message: "idle" } } });
  assert.deepEqual(told, [["lost", { cause: { code: "IDLE", message: "idle" } }]]);
  new Rpc();
  worker().say({ event: "lost", detail: {} });
});
