// What the inspector is asked to search for.
import assert from "node:assert/strict";
import { test } from "node:test";
import { NeedleError, needleOf } from "../../demo/inspect/search/needles.js";

test("bytes in hexadecimal, however they are set apart", () => {
  for (const text of ["55aa0D", "55 AA 0d", "0x55, 0xaa, 0x0d", "55-AA-0D", "55:aa:0d"]) {
    assert.deepEqual(needleOf(text, "hex", true), { bytes: Uint8Array.of(0x55, 0xaa, 0x0d) }, text);
  }
});

test("texts in all encodings or in one", () => {
  assert.deepEqual(needleOf("äx", "text", true), { text: "äx", ignoreCase: true });
  assert.deepEqual(needleOf("äx", "utf-16le", false), { text: "äx", ignoreCase: false, encodings: ["utf-16le"] });
});

test("what can't be searched for says why", () => {
  for (const [text, kind, why] of /** @type {const} */ ([
    ["", "text", /Type a text/], ["\uD800", "utf-8", /half of a character/], ["ä".repeat(129), "text", /258 bytes; a search takes 256/],
    ["", "hex", /pairs of hexadecimal/], ["5", "hex", /pairs/], ["5g", "hex", /pairs/], ["00".repeat(257), "hex", /257 bytes/],
  ])) assert.throws(() => needleOf(text, kind, false), (error) => error instanceof NeedleError && why.test(error.message), text.slice(0, 9));
});
