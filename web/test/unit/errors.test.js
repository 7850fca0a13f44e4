import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { NbdError, codes, describe, stages } from "../../client/errors.js";

test("the codes are those of the WASM client", () => {
  const source = readFileSync(new URL("../../../wasm/client/codes_js.go", import.meta.url), "utf8");
  const listed = [...source.matchAll(/^\tCode\w+ +Code += "(\w+)"/gm)].map((m) => m[1]);
  assert.deepEqual([...listed].sort(), [...codes].sort());
  assert.equal(new Set(codes).size, codes.length);
  assert.ok(codes.length > 30);
});

test("the stages are those of the WASM client", () => {
  const listed = Object.values(constants("wasm/client/stage_js.go", /^\tStage(\w+) +Stage = "(\w+)"/gm));
  assert.deepEqual(listed, [...stages]);
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

test("an error survives the way through postMessage, and through JSON", () => {
  const cause = new NbdError("DISCONNECTED", "the bridge died", {}, { cause: new TypeError("boom") });
  const before = new NbdError("EIO", "read failed", { offset: 512 }, { stage: "transmission", cause });
  for (const copy of [structuredClone(before.toJSON()), structuredClone(describe(before)), JSON.parse(JSON.stringify(before))]) {
    const after = NbdError.from(copy);
    assert.ok(after instanceof NbdError && after instanceof Error);
    assert.deepEqual([after.name, after.code, after.message, after.details], ["NbdError", "EIO", "read failed", { offset: 512 }]);
    assert.deepEqual([after.stage, after.offset, after.retryable], ["transmission", 512, false]);
    const inner = /** @type {NbdError} */ (after.cause);
    assert.ok(inner instanceof NbdError);
    assert.deepEqual([inner.code, inner.retryable, String(inner.cause)], ["DISCONNECTED", true, "TypeError: boom"]);
  }
});

test("what Go rejects with becomes an error with all of its fields", () => {
  const failure = { code: "DISCONNECTED", message: "reading vda: it broke. Open it again.", stage: "transmission", cause: { name: "Error", message: "it broke" }, details: { offset: 4096 } };
  const error = NbdError.from(structuredClone(describe(failure)));
  assert.deepEqual([error.code, error.stage, error.offset, error.retryable, String(error.cause)], ["DISCONNECTED", "transmission", 4096, true, "Error: it broke"]);
});

test("an error without an origin has a stage and no cause", () => {
  /** @type {[import("../../client/errors.js").NbdErrorCode, string][]} */
  const table = [["OUT_OF_RANGE", "call"], ["CLOSED", "call"], ["WASM_LOAD", "client"], ["EIO", "transmission"]];
  for (const [code, stage] of table) {
    const error = NbdError.from(structuredClone(new NbdError(code, "x").toJSON()));
    assert.deepEqual([error.stage, error.offset, "cause" in error], [stage, undefined, false]);
  }
});

test("what a new connection may mend is retryable, and what is lost or judged is not", () => {
  /** @type {[import("../../client/errors.js").NbdErrorCode, boolean][]} */
  const table = [["DISCONNECTED", true], ["SESSION_EXPIRED", true], ["UNKNOWN_OUTCOME", true], ["UNFLUSHED", false], ["IDENTITY", false], ["UNAUTHORISED", false]];
  for (const [code, retryable] of table) assert.equal(new NbdError(code, "x").retryable, retryable, code);
});

test("anything else thrown is INTERNAL", () => {
  for (const thrown of [new TypeError("x"), "text", undefined, null, { code: "ENOENT" }]) {
    const failure = describe(thrown);
    assert.equal(failure.code, "INTERNAL");
    assert.equal(failure.stage, "client");
    structuredClone(failure);
  }
});
