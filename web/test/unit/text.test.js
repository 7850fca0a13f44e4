import assert from "node:assert/strict";
import { test } from "node:test";
import { progressWords } from "../../demo/page/progress.js";
import { duration, grouped, humanSize, rate, visible } from "../../demo/page/text.js";

test("what would not show is made visible", () => {
  for (const [text, want] of [
    ["plain name", "plain name"],
    ["Größe 磁盘 💾", "Größe 磁盘 💾"],
    ["a\x00b\nc\x1b[31m", "a⟨0000⟩b⟨000A⟩c⟨001B⟩[31m"],
    ["\x7f\x9b", "⟨007F⟩⟨009B⟩"],
    ["gpj\u202Eexe.", "gpj⟨202E⟩exe."],
    ["zero\u200Bwidth\u00A0space", "zero⟨200B⟩width⟨00A0⟩space"],
    ["line\u2028end", "line⟨2028⟩end"],
    ["half\uD800pair", "half⟨D800⟩pair"],
  ]) assert.equal(visible(text), want);
});

test("sizes as people say them", () => {
  for (const [bytes, want] of /** @type {const} */ ([
    [0, "0 bytes"], [1, "1 byte"], [512, "512 bytes"], [1023, "1023 bytes"], [1024, "1 KiB"], [1536, "1.5 KiB"],
    [33554432, "32 MiB"], [2 ** 40 * 1.234, "1.23 TiB"], [Number.MAX_SAFE_INTEGER, "8 PiB"],
  ])) assert.equal(humanSize(bytes), want);
});

test("thousands stand apart", () => {
  assert.equal(grouped(33554432), "33\u202F554\u202F432");
});

test("rates have no fractions of a byte", () => {
  assert.deepEqual([0, 0.4, 1.2, 1572864].map(rate), ["0 bytes/s", "0 bytes/s", "1 byte/s", "1.5 MiB/s"]);
});

test("times in their two largest units", () => {
  for (const [milliseconds, want] of /** @type {const} */ ([
    [0, "1 second"], [400, "1 second"], [1500, "2 seconds"], [59_400, "59 seconds"], [59_600, "1 minute"], [61_000, "1 minute 1 second"],
    [3_600_000, "1 hour"], [3_601_000, "1 hour"], [3_725_000, "1 hour 2 minutes"], [86_400_000 * 400.5, "400 days 12 hours"],
  ])) assert.equal(duration(milliseconds), want);
});

test("progress in words", () => {
  for (const [state, want] of /** @type {[Parameters<typeof progressWords>[0], string][]} */ ([
    [{ done: 0, total: 0 }, "0 bytes"], [{ done: 512 }, "512 bytes"], [{ done: 512, total: 1024 }, "512 bytes of 1 KiB"],
    [{ done: 512, total: 1024, rate: 100.4, left: 5100 }, "512 bytes of 1 KiB, 100 bytes/s, 5 seconds left"],
    [{ done: 1024, total: 1024, rate: 100, left: 0, errors: 1 }, "1 KiB of 1 KiB, 100 bytes/s, 1 error"],
    [{ done: 1, rate: 0, left: undefined, errors: 2 }, "1 byte, 0 bytes/s, 2 errors"],
  ])) assert.equal(progressWords(state), want);
});
