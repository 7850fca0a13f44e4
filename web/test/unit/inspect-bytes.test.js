// Positions, selections and meanings of the inspector's view of bytes.
import assert from "node:assert/strict";
import { test } from "node:test";
import { asHex, asText } from "../../demo/inspect/bytes/copy.js";
import { meanings } from "../../demo/inspect/bytes/meanings.js";
import { resolvePosition } from "../../demo/inspect/bytes/position.js";
import { Selection, keyTarget } from "../../demo/inspect/bytes/selection.js";

test("positions as people type them", () => {
  const size = 2 ** 40;
  for (const [text, want] of /** @type {const} */ ([
    ["0", 0], [" 4096 ", 4096], ["0x7C00", 0x7c00], ["0X1b", 27], ["1k", 1024], ["1.5 GiB", 1.5 * 2 ** 30], ["2M", 2 << 20], ["0x10K", 16 << 10],
    ["2048s", 1 << 20], ["+16", 1016], ["-0x10", 984], ["+1k", 2024], ["1T", undefined], ["1023g", 1023 * 2 ** 30],
    ["-1001", undefined], ["", undefined], ["1e3", undefined], ["7c00", undefined], ["1 2", undefined], ["0.3", undefined], ["0x", undefined], ["1MB", undefined],
    ["9007199254740993", undefined], [String(size - 1), size - 1], [String(size), undefined],
  ])) assert.equal(resolvePosition(text, { size, cursor: 1000 }), want, JSON.stringify(text));
});

test("positions count from a part, in sectors, but not from the cursor on", () => {
  const frame = { size: 1 << 30, cursor: 700, base: 1 << 20, unit: 512 };
  for (const [text, want] of /** @type {const} */ ([["3", (1 << 20) + 1536], ["1k", (1 << 20) + 1024], ["2s", (1 << 20) + 1024], ["+1", 1212], ["-1", 188]])) {
    assert.equal(resolvePosition(text, frame), want, text);
  }
});

test("a selection is from the anchor to the cursor, within the disk", () => {
  const selection = new Selection(100);
  selection.moveTo(10);
  selection.moveTo(14, true);
  assert.deepEqual([selection.from, selection.length, selection.cursor], [10, 5, 14]);
  selection.moveTo(7, true);
  assert.deepEqual([selection.from, selection.length, selection.has(7), selection.has(10), selection.has(11)], [7, 4, true, true, false]);
  selection.moveTo(1000);
  assert.deepEqual([selection.from, selection.length], [99, 1]);
  selection.choose(20, 4);
  assert.deepEqual([selection.from, selection.length, selection.cursor], [20, 4, 20]);
  assert.equal(new Selection(0).length, 0);
});

test("keys of the view", () => {
  const at = { cursor: 100, width: 16, page: 10, size: 1000 };
  for (const [key, ctrl, want, from = 100] of /** @type {[string, boolean, number | undefined, number?][]} */ ([
    ["ArrowLeft", false, 99], ["ArrowRight", false, 101], ["ArrowUp", false, 84], ["ArrowDown", false, 116], ["ArrowUp", false, 3, 3], ["ArrowDown", false, 990, 990],
    ["PageUp", false, 4, 100], ["PageDown", false, 260], ["PageDown", false, 999, 900], ["Home", false, 96], ["End", false, 111],
    ["Home", true, 0], ["End", true, 999], ["a", false, undefined], ["Enter", false, undefined],
  ])) assert.equal(keyTarget({ key, ctrl }, { ...at, cursor: from }), want, `${ctrl ? "Ctrl+" : ""}${key} from ${from}`);
});

/** @param {string} hex @param {string} label */
function read(hex, label) {
  const found = meanings(Uint8Array.from(Buffer.from(hex, "hex"))).find((m) => m.label === label);
  return [found?.little, found?.big];
}

test("bytes read as numbers, times and texts", () => {
  for (const [hex, label, little, big] of /** @type {[string, string, string, string?][]} */ ([
    ["fe", "Signed 8 bits", "-2"], ["fe", "Unsigned 8 bits", "254"], ["feff", "Signed 16 bits", "-2", "-257"], ["0100", "Unsigned 16 bits", "1", "256"],
    ["ffffffff", "Signed 32 bits", "-1", "-1"], ["00000080", "Unsigned 32 bits", "2147483648", "128"],
    ["ffffffffffffffff", "Unsigned 64 bits", "18446744073709551615", "18446744073709551615"], ["0000000000000080", "Signed 64 bits", "-9223372036854775808", "128"],
    ["0000803f", "Float 32 bits", "1", "4.60060299e-41"], ["000000000000f03f", "Float 64 bits", "1", "3.03865194e-319"], ["0000c07f", "Float 32 bits", "NaN", "6.90545870e-41"],
    ["00ca9a3b", "UNIX time, 32 bits", "2001-09-09 01:46:40 UTC", "1970-06-03 16:15:55 UTC"],
    ["00000000000000ff", "UNIX time, 64 bits", "—", "1970-01-01 00:04:15 UTC"],
    ["00803ed5deb19d01", "FILETIME", "1970-01-01 00:00:00 UTC", "1715-05-23 23:02:10.410 UTC"],
    ["2174b75a", "DOS date and time", "2025-05-23 14:33:02", "1996-11-20 22:58:52"],
    ["28732ac11ff8d211ba4b00a0c93ec93b", "GUID", "c12a7328-f81f-11d2-ba4b-00a0c93ec93b", "28732ac1-1ff8-d211-ba4b-00a0c93ec93b"],
    ["4142007a", "ASCII", "AB"], ["41004200e4000000", "UTF-16", "ABä", "䄀䈀\uE400"], ["00d84100", "UTF-16", "—", "Ø䄀"],
    ["01", "Unsigned 16 bits", "—", "—"], ["", "ASCII", "—"],
  ])) assert.deepEqual(read(hex, label), [little, big], `${label} of ${hex}`);
});

test("bytes as text for the clipboard", () => {
  const bytes = Uint8Array.from([0x55, 0xaa, 0x0a, 0xc3, 0xa4]);
  assert.equal(asHex(bytes), "55 aa 0a c3 a4");
  assert.equal(asText(bytes), "U\uFFFD\nä");
});
