import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { guard } from "../../client/lifecycle.js";
import { settled } from "./fake-worker.js";

/** Locks that are held, by name. @type {Set<string>} */
let held;
/** @type {string[]} */
let asked;
/** Puts everything back. */
let restore = () => {};

beforeEach(() => {
  held = new Set();
  asked = [];
  restore = page();
});
afterEach(() => restore());

/** Makes this process look like a page. */
function page() {
  const locks = {
    async request(/** @type {string} */ name, /** @type {() => Promise<unknown>} */ callback) {
      assert.ok(!asked.includes(name), "the name is unique");
      asked.push(name);
      await undefined; // granted later
      held.add(name);
      await callback();
      held.delete(name);
    },
  };
  const fakes = { window: new EventTarget(), document: new EventTarget(), navigator: { locks } };
  const before = Object.keys(fakes).map((name) => /** @type {const} */ ([name, Object.getOwnPropertyDescriptor(globalThis, name)]));
  for (const [name, value] of Object.entries(fakes)) Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  return () => before.forEach(([name, old]) => old ? Object.defineProperty(globalThis, name, old) : Reflect.deleteProperty(globalThis, name));
}

/** What is called for each event. */
function guarded() {
  /** @type {string[]} */ const calls = [];
  const note = (/** @type {string} */ name) => async () => {
    calls.push(name);
    throw new Error("nobody waits for it");
  };
  return { calls, ...guard({ flush: note("flush"), check: note("check") }) };
}

test("a lock is held while data is at risk, and not longer", async () => {
  const { risk, end } = guarded();
  risk(false);
  assert.equal(asked.length, 0);
  risk(true);
  risk(true);
  await settled();
  assert.deepEqual([asked.length, held.size], [1, 1]);
  risk(false);
  await settled();
  assert.equal(held.size, 0);
  risk(true);
  risk(false); // before it is granted
  await settled();
  assert.equal(held.size, 0);
  risk(true);
  end();
  risk(true); // what ends late
  await settled();
  assert.deepEqual([asked.length, held.size], [3, 0]);
});

test("a page that goes flushes what is at risk, and one that comes back checks", async () => {
  const { calls, risk, end } = guarded();
  const fire = (/** @type {EventTarget} */ target, /** @type {string} */ type, more = {}) => target.dispatchEvent(Object.assign(new Event(type), more));
  fire(window, "pagehide");
  assert.deepEqual(calls, []);
  risk(true);
  /** @type {[EventTarget, string, object, string[]][]} */
  const table = [
    [window, "pagehide", {}, ["flush"]], [document, "freeze", {}, ["flush"]],
    [window, "pageshow", { persisted: false }, []], [window, "pageshow", { persisted: true }, ["check"]],
    [document, "resume", {}, ["check"]], [window, "online", {}, ["check"]],
  ];
  for (const [target, type, more, wanted] of table) {
    fire(target, type, more);
    assert.deepEqual(calls.splice(0), wanted, type);
  }
  end();
  for (const [target, type, more] of table) fire(target, type, more);
  assert.deepEqual(calls, []);
  await settled();
});

test("where there is no page it does nothing", () => {
  restore();
  const { calls, risk, end } = guarded();
  risk(true);
  end();
  assert.deepEqual(calls, []);
});

test("a page without locks is guarded as far as it goes", () => {
  Object.defineProperty(globalThis, "navigator", { value: {}, configurable: true });
  const { calls, risk, end } = guarded();
  risk(true);
  window.dispatchEvent(new Event("pagehide"));
  assert.deepEqual(calls, ["flush"]);
  end();
});
