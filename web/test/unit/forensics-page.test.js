// What the page of evidence knows of its connection, and how it holds files.
import assert from "node:assert/strict";
import { test } from "node:test";
import { OwnFiles } from "../../demo/inspect/files/own.js";
import { ownOf } from "../../demo/forensics/session.js";

/** A disk that tells what it is made to. */
function fakeDisk() {
  /** @type {Record<string, (detail: any) => void>} */ const listeners = {};
  const disk = {
    exportName: "vda", description: "", size: 1, identity: "it", tls: /** @type {any} */ ({ version: "TLS 1.3" }), features: {}, blockSize: {},
    on: (/** @type {string} */ name, /** @type {(detail: any) => void} */ listener) => { listeners[name] = listener; },
  };
  return { disk, listeners };
}

test("bridge and target of a place, and the facts as they are now", () => {
  const { disk } = fakeDisk();
  const { facts } = ownOf(/** @type {any} */ (disk), { url: "wss://host/nbd/lab%20%2F7" });
  const { bridge, target, exportName } = facts();
  assert.deepEqual({ bridge, target, exportName }, { bridge: "wss://host/nbd/", target: "lab /7", exportName: "vda" });
  disk.tls = { version: "TLS 1.2" };
  assert.equal(facts().tls?.version, "TLS 1.2");
  assert.ok(!("write" in facts()) && !("close" in facts()));
});

test("an outage is from the first attempt until there is a connection", () => {
  const { disk, listeners } = fakeDisk();
  const { outages } = ownOf(/** @type {any} */ (disk), { url: "ws://host/nbd/x" });
  assert.deepEqual(outages(), []);
  listeners.reconnecting({ attempt: 1, cause: new Error("reset") });
  listeners.reconnecting({ attempt: 2, cause: new Error("refused") });
  assert.deepEqual(outages().map(({ end, reason }) => ({ end, reason })), [{ end: undefined, reason: "reset" }]);
  listeners.reconnected({ after: 1 });
  listeners.reconnecting({ attempt: 1, cause: new Error("again") });
  const [first, second] = outages();
  assert.match(first.start, /^\d{4}-\d\d-\d\dT.*Z$/);
  assert.ok(first.end && first.end >= first.start);
  assert.deepEqual([second.reason, second.end], ["again", undefined]);
  for (let i = 0; i < 1100; i++) {
    listeners.reconnected({ after: 1 });
    listeners.reconnecting({ attempt: 1, cause: new Error(`${i}`) });
  }
  assert.equal(outages().length, 1000);
  assert.match(outages()[0].reason, /^\d+ outages between these times, which are too many to list/);
  assert.equal(outages()[0].start, first.start);
  assert.equal(outages().at(-1)?.reason, "1099");
});

test("files of one part share a file system, which ends with the last", async () => {
  /** @type {string[]} */ const said = [];
  const open = async (/** @type {number} */ offset) => {
    said.push(`open ${offset}`);
    return {
      file: async (/** @type {string} */ path) => {
        if (path === "/none") throw new Error("there is none");
        return { close: () => { said.push(`close ${path}`); } };
      },
      close: async () => { said.push(`close ${offset}`); },
    };
  };
  const own = new OwnFiles(/** @type {any} */ ({ open }));
  const [part, other] = /** @type {any[]} */ ([{ offset: 1, length: 9 }, { offset: 10, length: 9 }]);
  const { signal } = new AbortController();
  const [a, b] = await Promise.all([own.file(part, "/a", signal), own.file(part, "/b", signal)]);
  await own.file(other, "/c", signal);
  assert.deepEqual(said.splice(0), ["open 1", "open 10"]);
  a.close();
  a.close();
  await Promise.resolve();
  assert.deepEqual(said.splice(0), ["close /a"]);
  await assert.rejects(own.file(part, "/none", signal), /there is none/);
  b.close();
  await new Promise(setImmediate);
  assert.deepEqual(said.splice(0), ["close /b", "close 1"]);
  await assert.rejects(own.file(part, "/none", signal), /there is none/);
  await new Promise(setImmediate);
  assert.deepEqual(said, ["open 1", "close 1"]);
});
