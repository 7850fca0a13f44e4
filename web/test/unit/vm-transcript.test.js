import assert from "node:assert/strict";
import { test } from "node:test";
import { Transcript, mostLines } from "../../demo/vm/transcript.js";

/** @param {string} text */
function transcribe(text) {
  const transcript = new Transcript();
  for (const byte of new TextEncoder().encode(text)) transcript.push(byte);
  return [...transcript.take(), transcript.current];
}

/** What was said, and the lines that it makes; the last one is not over. @type {[string, string[]][]} */
const cases = [
  ["a\r\nb", ["a", "b"]],
  ["10%\r20%", ["20%"]],
  ["abc\b\bX", ["aXc"]],
  ["abc\b \b", ["ab "]],
  ["abc\b\b\x1b[K", ["a"]],
  ["abcdef\x1b[3DX", ["abcXef"]],
  ["a\x1b[1;31mred\x1b[0m", ["ared"]],
  ["a\x1b]0;title\x07b", ["ab"]],
  ["a\x1b]0;title\x1b\\b", ["ab"]],
  ["menu\x1b[2;1Hnext", ["menu", "next"]],
  ["\x1b[2J\x1b[Htop", ["top"]],
  ["a\tb", ["a       b"]],
  ["\x1b(Bx\x1b=y", ["xy"]],
  ["bell\x07\x00", ["bell"]],
  ["grüße ✓", ["grüße ✓"]],
  ["<b>no markup</b>", ["<b>no markup</b>"]],
  ["\x1b[99999999999D\x1b[999999999Cx", ["x"]],
];

for (const [said, lines] of cases) {
  test(`${JSON.stringify(said)} reads ${JSON.stringify(lines)}`, () => assert.deepEqual(transcribe(said), lines));
}

test("lines and scrollback are bounded", () => {
  assert.equal(transcribe("x".repeat(2500)).length, 3);
  const transcript = new Transcript();
  for (let i = 0; i < 2 * (mostLines + 5); i++) transcript.push(i % 2 ? 0x0a : 0x78);
  assert.equal(transcript.take().length, mostLines);
  assert.equal(transcript.dropped, 5);
});

test("a sequence that never ends ends", () => {
  assert.match(transcribe(`\x1b]${"y".repeat(100)}`)[0], /^y+$/);
});
