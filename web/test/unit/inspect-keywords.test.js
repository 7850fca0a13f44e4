// Lists of keywords, and hits as CSV.
import assert from "node:assert/strict";
import { test } from "node:test";
import { csvOf } from "../../demo/inspect/search/csv.js";
import { countsOf } from "../../demo/inspect/search/hits.js";
import { checkCount, keywordsIn, keywordsOf, maxFile, maxNeedles } from "../../demo/inspect/search/keywords.js";
import { NeedleError } from "../../demo/inspect/search/needles.js";

/** @param {RegExp} why */
const because = (why) => (/** @type {unknown} */ error) => error instanceof NeedleError && why.test(error.message);

test("one keyword in each line", () => {
  const list = "# people\r\nAda\r\n\n  Grace Hopper\t\nhex: 55 aa\rHEX:0d0a\nAda\n ## no more\nhexagon";
  assert.deepEqual(keywordsOf(list, "utf-8", true), [
    { label: "Ada", needle: { text: "Ada", ignoreCase: true, encodings: ["utf-8"] } },
    { label: "Grace Hopper", needle: { text: "Grace Hopper", ignoreCase: true, encodings: ["utf-8"] } },
    { label: "hex: 55 aa", needle: { bytes: Uint8Array.of(0x55, 0xaa) } },
    { label: "HEX:0d0a", needle: { bytes: Uint8Array.of(0x0d, 0x0a) } },
    { label: "hexagon", needle: { text: "hexagon", ignoreCase: true, encodings: ["utf-8"] } },
  ]);
  assert.deepEqual(keywordsOf("55aa\nhex: 00", "hex", false).map(({ needle }) => needle), [{ bytes: Uint8Array.of(0x55, 0xaa) }, { bytes: Uint8Array.of(0) }]);
  assert.deepEqual(keywordsOf(" \n#\n", "text", false), []);
});

test("a line that can't be searched for is told by its number", () => {
  assert.throws(() => keywordsOf("Ada\n\nhex: 5g", "text", false), because(/^Line 3: Type bytes as pairs/));
  assert.throws(() => keywordsOf(`Ada\r\n${"x".repeat(257)}`, "text", false), because(/^Line 2: That is 257 bytes/));
});

test("how many are too many, each encoding counted", () => {
  const list = (/** @type {number} */ n) => Array.from({ length: n }, (_, i) => `word${i}`).join("\n");
  checkCount(keywordsOf(list(maxNeedles), "utf-8", false));
  assert.throws(() => checkCount(keywordsOf(list(maxNeedles + 1), "utf-8", false)), because(new RegExp(`${maxNeedles + 1} keywords are ${maxNeedles + 1} to search for.* takes ${maxNeedles}`)));
  const third = Math.floor(maxNeedles / 3);
  checkCount(keywordsOf(list(third), "text", false));
  assert.throws(() => checkCount(keywordsOf(list(third + 1), "text", false)), because(/Choose one encoding/));
});

test("a file of keywords", async () => {
  assert.equal(await keywordsIn(new Blob(["\uFEFFAda\n"])), "Ada\n");
  await assert.rejects(keywordsIn(new Blob([Uint8Array.of(0x41, 0xff)])), because(/not text in UTF-8/));
  assert.equal((await keywordsIn(new Blob([new Uint8Array(maxFile).fill(0x41)]))).length, maxFile);
  await assert.rejects(keywordsIn(new Blob([new Uint8Array(maxFile + 1).fill(0x41)])), because(/65537 bytes; .* 65536 at most/));
});

test("hits as CSV", () => {
  const hit = (/** @type {string} */ bytes, /** @type {object} */ more) => ({ offset: 4096, length: 3, needle: 0, bytes: new Uint8Array(Buffer.from(bytes, "latin1")), before: 1, ...more });
  const text = [...csvOf([hit("aXYZ\0", { encoding: "utf-8" }), hit("=1+1", { needle: 1 }), hit('"', { needle: 2, offset: 2 ** 50 })], ["XYZ", "-3, \"x\"\r\n", "@SUM(A1)"])].join("");
  assert.equal(text, [
    '"offset","offset_hex","length","keyword","encoding","before","context_hex","context_text"',
    '4096,"0x1000",3,"XYZ","utf-8",1,"61 58 59 5a 00","aXYZ."',
    '4096,"0x1000",3,"\'-3, ""x""\r\n","bytes",1,"3d 31 2b 31","\'=1+1"',
    `1125899906842624,"0x4000000000000",3,"'@SUM(A1)","bytes",1,"22",""""`, "",
  ].join("\r\n"));
  for (const start of ["=", "+", "-", "@", "\t", "\r", "\n"]) assert.match([...csvOf([hit("", {})], [`${start}1`])][1], new RegExp(`"'\\${start}1"`), JSON.stringify(start));
  assert.equal([...csvOf(Array(401).fill(hit("a", {})), ["a"])].length, 4);
});

test("how often each keyword was found", () => {
  const hits = [1, 0, 1, 3, 1].map((needle) => ({ offset: 0, length: 1, needle, bytes: new Uint8Array(1), before: 0 }));
  assert.equal(countsOf(hits, ["Ada", "Grace\n", "Joan", "Mary"]), "Grace⟨000A⟩ 3, Ada 1, Mary 1. Not found: 1 of 4 keywords.");
  assert.equal(countsOf([], ["Ada", "Grace"]), "Not found: 2 of 2 keywords.");
  assert.equal(countsOf(hits.slice(0, 2), ["Ada", "Grace"]), "Ada 1, Grace 1.");
  assert.match(countsOf(Array.from({ length: 60 }, (_, needle) => ({ ...hits[0], needle })), Array.from({ length: 60 }, (_, i) => `w${i}`)), / w49 1, and 10 more\.$/);
});
