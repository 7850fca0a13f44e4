import assert from "node:assert/strict";
import { test } from "node:test";
import { hasBootSignature, offsetDigits, parsePosition, rows, sectorCount } from "../../demo/hexview.js";

test("a row has offset, bytes and text", () => {
  const bytes = Uint8Array.from({ length: 16 }, (_, i) => 0x3a + i * 9);
  assert.deepEqual(rows(bytes, 0x7c00), [{
    at: 0x7c00,
    offset: "00007c00",
    hex: "3a 43 4c 55 5e 67 70 79  82 8b 94 9d a6 af b8 c1",
    text: ":CLU^gpy........",
    zero: false,
  }]);
});

test("only printable ASCII is text", () => {
  const [row] = rows(Uint8Array.of(0x1f, 0x20, 0x7e, 0x7f, 0x80, 0xff, 0x00, 0x0a), 0);
  assert.equal(row.text, ". ~.....");
});

test("rows of eight have no wide gap, and the last may be short", () => {
  const made = rows(new Uint8Array(11).fill(1), 512, { width: 8 });
  assert.deepEqual(made.map((r) => r.offset), ["00000200", "00000208"]);
  assert.deepEqual(made.map((r) => r.hex), ["01 01 01 01 01 01 01 01", "01 01 01"]);
});

test("no bytes are no rows", () => {
  assert.deepEqual(rows(new Uint8Array(0), 0), []);
});

test("a sector is 32 rows, zero ones marked", () => {
  const sector = new Uint8Array(512);
  sector[511] = 0xaa;
  const made = rows(sector, 0);
  assert.equal(made.length, 32);
  assert.deepEqual(made.map((r) => r.zero), [...Array(31).fill(true), false]);
});

test("offsets beyond 4 GiB keep their digits", () => {
  const size = 2 ** 40 + 1;
  assert.equal(offsetDigits(size), 11);
  assert.equal(rows(Uint8Array.of(1), 2 ** 40, { digits: offsetDigits(size) })[0].offset, "10000000000");
  assert.equal(offsetDigits(0), 8);
  assert.equal(offsetDigits(2 ** 32), 8);
  assert.equal(offsetDigits(2 ** 32 + 1), 9);
});

test("sectors are counted up", () => {
  assert.deepEqual([0, 1, 512, 513, 2 ** 53 - 1].map(sectorCount), [0, 1, 1, 2, 2 ** 44]);
});

test("positions are decimal or 0x hexadecimal", () => {
  for (const [text, want] of /** @type {const} */ ([
    ["0", 0], [" 2048 ", 2048], ["0x7C00", 0x7c00], ["0Xff", 255], ["007", 7],
    ["9007199254740991", Number.MAX_SAFE_INTEGER], ["9007199254740992", undefined],
    ["", undefined], ["-1", undefined], ["1.5", undefined], ["1e3", undefined],
    ["0x", undefined], ["7c00", undefined], ["1 2", undefined], ["0b11", undefined],
  ])) assert.equal(parsePosition(text), want, JSON.stringify(text));
});

test("the boot signature needs a whole sector", () => {
  const sector = new Uint8Array(512);
  assert.equal(hasBootSignature(sector), false);
  sector.set([0x55, 0xaa], 510);
  assert.equal(hasBootSignature(sector), true);
  assert.equal(hasBootSignature(sector.subarray(0, 511)), false);
});
