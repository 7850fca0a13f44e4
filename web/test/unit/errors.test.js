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
