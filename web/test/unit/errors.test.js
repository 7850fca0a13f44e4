import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { NbdError, codes, describe, revive } from "../../client/errors.js";

test("the codes are those of the WASM client", () => {
  const source = readFileSync(new URL("../../../wasm/client/codes_js.go", import.meta.url), "utf8");
  const listed = [...source.matchAll(/^\tCode\w+ +Code += "(\w+)"/gm)].map((m) => m[1]);
  assert.deepEqual([...listed].sort(), [...codes].sort());
  assert.equal(new Set(codes).size, codes.length);
  assert.ok(codes.length > 30);
});

test("the close codes are those of the bridge", () => {
  const bridge = constants("bridge/status.go", /^\tStatus(\w+) +websocket\.StatusCode = (4\d+)/gm);
  assert.deepEqual(constants("wasm/client/codes_js.go", /^\tclose(\w+) += (4\d+)/gm), bridge);
  assert.ok(Object.keys(bridge).length >= 8);
});

test("the prefix of tickets is that of the bridge", () => {
  const bridge = constants("bridge/ticket/ticket.go", /^const (Pref)ix = ("[^"]+")/gm);
  assert.deepEqual(constants("wasm/client/dial_js.go", /^\tticket(Pref)ix += ("[^"]+")/gm), bridge);
  assert.deepEqual(bridge, { Pref: '"bearer."' });
});

/**
 * Reads names and values from a Go file.
 * @param {string} file @param {RegExp} pattern
 */
function constants(file, pattern) {
  const source = readFileSync(new URL(`../../../${file}`, import.meta.url), "utf8");
  return Object.fromEntries([...source.matchAll(pattern)].map((m) => [m[1], m[2]]));
}

test("an error survives the way through postMessage", () => {
  const before = new NbdError("EIO", "read failed", { offset: 512 });
  const after = revive(structuredClone(describe(before)));
  assert.ok(after instanceof NbdError && after instanceof Error);
  assert.deepEqual([after.name, after.code, after.message, after.details], ["NbdError", "EIO", "read failed", { offset: 512 }]);
});

test("anything else thrown is INTERNAL", () => {
  for (const thrown of [new TypeError("x"), "text", undefined, null, { code: "ENOENT" }]) {
    assert.equal(describe(thrown).code, "INTERNAL");
  }
});
