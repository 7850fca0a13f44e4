import assert from "node:assert/strict";
import { test } from "node:test";
import { grouped, humanSize, visible } from "../../demo/page/text.js";

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
