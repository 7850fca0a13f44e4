import assert from "node:assert/strict";
import { test } from "node:test";
import { StorageCalls } from "../../client/storage/calls.js";
import { storageError } from "../../client/storage/failures.js";
import { deleteFolder, listFolders, opfsFolder } from "../../client/storage/opfs.js";
import { install, settled } from "./fake-worker.js";

const last = install();

test("calls reject when the Worker dies, those under way and later ones", async () => {
  const calls = new StorageCalls('The overlay "a"');
  const pending = [calls.call("start"), calls.call("open", ["f"])];
  last().reply(1, undefined);
  await pending[0];
  last().onerror({ message: "boom" });
  await assert.rejects(pending[1], { code: "WORKER", message: /overlay "a" failed: boom/ });
  await assert.rejects(calls.call("size", [1]), { code: "WORKER" });
  await calls.end();
  assert.ok(last().terminated > 0);
});

test("a Worker whose script does not load says so", async () => {
  const calls = new StorageCalls("x");
  const start = calls.call("start");
  last().onerror({});
  await assert.rejects(start, { code: "WASM_LOAD", message: /storage\/worker\.js could not be loaded/ });
});

test("end lets calls under way end, refuses later ones, and ends the Worker", async () => {
  const calls = new StorageCalls("x");
  const flush = calls.call("flush", [1]);
  const ends = [calls.end(), calls.end()];
  await assert.rejects(calls.call("size", [1]), { code: "CLOSED" });
  assert.deepEqual(last().sent.map((m) => m.method), ["flush", "end"]);
  last().reply(1, undefined);
  await settled();
  assert.equal(last().terminated, 0);
  last().reply(2, undefined);
  await Promise.all([flush, ...ends]);
  assert.equal(last().terminated, 1);
});

test("what the storage throws gets a code", () => {
  const table = { QuotaExceededError: "ENOSPC", SecurityError: "ENOTSUP", NotFoundError: "EIO", InvalidStateError: "EIO" };
  for (const [name, code] of Object.entries(table)) {
    const cause = new DOMException("words", name);
    const error = storageError(cause, "The overlay");
    assert.deepEqual([error.code, error.stage, error.cause], [code, "client", cause]);
    assert.match(error.message, /^The overlay: /);
  }
});

test("where there is no private file system it says so; names are checked first", async () => {
  for (const call of [opfsFolder("k", "n"), deleteFolder("k", "n"), listFolders("k")]) {
    await assert.rejects(call, { code: "ENOTSUP", stage: "client", message: /Chromium 108/ });
  }
  for (const name of ["", "\ud800", "é".repeat(40), /** @type {any} */ (5)]) {
    await assert.rejects(opfsFolder("k", name), { code: "INVALID_ARGUMENT" });
  }
});
