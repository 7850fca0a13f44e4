// Structures that the inspector knows, found in bytes and told field by field.
import assert from "node:assert/strict";
import { test } from "node:test";
import { structuresIn } from "../../demo/inspect/structures/index.js";

/** @param {number} size @param {Record<number, string | number[]>} content by offset */
function made(size, content) {
  const bytes = new Uint8Array(size);
  for (const [at, what] of Object.entries(content)) bytes.set(typeof what === "string" ? Buffer.from(what, "latin1") : what, Number(at));
  return bytes;
}

/** @param {readonly import("../../demo/inspect/structures/index.js").Structure[]} found @param {string} field */
const value = ([structure], field) => structure.fields.find(({ name }) => name === field)?.value;
const signed = { 510: [0x55, 0xaa] };

test("each structure is known by what it says of itself", () => {
  const entry = [0x80, 1, 1, 0, 0x83, 0xfe, 0xff, 0xff, 0, 8, 0, 0, 0, 0, 2, 0];
  const ext = { 24: [2, 0, 0, 0], 32: [0, 128, 0, 0], 56: [0x53, 0xef], 76: [1, 0, 0, 0], 120: "root" };
  for (const [name, bytes, field, want] of /** @type {[string, Uint8Array, string, string][]} */ ([
    ["MBR", made(512, { 440: [1, 2, 3, 4], 446: entry, ...signed }), "Entry 1: first sector", "2048"],
    ["GPT header", made(512, { 0: "EFI PART", 80: [128, 0, 0, 0] }), "Number of entries", "128"],
    ["NTFS boot sector", made(512, { 3: "NTFS    ", 48: [4, 0, 0, 0, 0, 0, 0, 0], ...signed }), "First cluster of $MFT", "4"],
    ["exFAT boot sector", made(512, { 3: "EXFAT   ", 108: [9], ...signed }), "Sector size, as a power of two", "9"],
    ["FAT32 boot sector", made(512, { 71: "STICK      ", 82: "FAT32   ", ...signed }), "Label", "STICK"],
    ["FAT boot sector", made(512, { 54: "FAT16   ", 39: [0x78, 0x56, 0x34, 0x12], ...signed }), "Volume serial number", "0x12345678"],
    ["ext superblock", made(1024, ext), "Label", "root"],
    ["ISO 9660 primary volume descriptor", made(2048, { 0: [1], 1: "CD001", 40: "DISC", 84: [0, 0, 1, 0] }), "Blocks, high byte first", "256"],
  ])) {
    const found = structuresIn(bytes, 2048);
    assert.deepEqual(found.map((s) => [s.name, s.offset, s.length]), [[name, 2048, name === "GPT header" ? 92 : bytes.length]], name);
    assert.equal(value(found, field), want, `${name}: ${field}`);
  }
});

test("fields lie in order within their structure, none over another", () => {
  const all = [
    made(512, { 446: [0, 1, 1, 0, 7, 1, 1, 1, 1, 0, 0, 0, 1], ...signed }), made(512, { 0: "EFI PART" }), made(512, { 3: "NTFS    ", ...signed }), made(512, { 3: "EXFAT   ", ...signed }),
    made(512, { 82: "FAT32   ", ...signed }), made(512, { 54: "FAT12   ", ...signed }), made(1024, { 32: [1], 56: [0x53, 0xef] }), made(2048, { 0: [1], 1: "CD001" }),
    made(2048, { 0: [255], 1: "CD001" }),
  ];
  for (const bytes of all) {
    const [{ name, offset, length, fields }] = structuresIn(bytes, 4096);
    let end = offset;
    for (const field of fields) {
      assert.ok(field.offset >= end && field.length > 0, `${name}: ${field.name}`);
      end = field.offset + field.length;
    }
    assert.ok(end <= offset + length, name);
  }
});

test("the entries of a GPT follow its header", () => {
  const bytes = made(4096, { 512: "EFI PART", 536: [1], 584: [2], 592: [4], 596: [128], 1024: [1], 1080: "r\0o\0o\0t\0", 1280: [2] });
  const found = structuresIn(bytes, 0);
  assert.deepEqual(found.map(({ name, offset }) => [name, offset]), [["GPT header", 512], ["GPT entry 1", 1024], ["GPT entry 3", 1280]]);
  assert.equal(value(found.slice(1), "Name"), "root");
});

test("what only looks like one is none", () => {
  for (const [why, bytes, offset] of /** @type {[string, Uint8Array, number][]} */ ([
    ["a signature without partitions", made(512, signed), 0], ["a status that none has", made(512, { 446: [1, 0, 0, 0, 7, 0, 0, 0, 1, 0, 0, 0, 1], ...signed }), 0],
    ["no boot signature", made(512, { 3: "NTFS    " }), 0], ["ext in an odd place", made(1024, { 32: [1], 56: [0x53, 0xef] }), 512],
    ["blocks of 2^40", made(1024, { 24: [30], 32: [1], 56: [0x53, 0xef] }), 0], ["half a superblock", made(512, { 32: [1], 56: [0x53, 0xef] }), 0],
    ["too short for a header", made(91, { 0: "EFI PART" }), 0], ["nothing", new Uint8Array(0), 0],
  ])) assert.deepEqual(structuresIn(bytes, offset), [], why);
});

test("hostile numbers of a GPT lead nowhere", () => {
  for (const more of [{ 536: [1], 584: Array(8).fill(255) }, { 584: [0] }, { 536: Array(8).fill(255), 584: [2] }, { 596: [0, 0, 0, 0] }, { 596: Array(4).fill(255) }, { 596: [1] }]) {
    const found = structuresIn(made(4096, { 512: "EFI PART", 536: [1], 584: [2], 596: [128], 1024: [1], ...Object.fromEntries(Object.entries(more)) }), 0);
    assert.deepEqual(found.map(({ name }) => name), ["GPT header"], JSON.stringify(more));
  }
});

test("a word of a disk is told in printable ASCII alone", () => {
  assert.equal(value(structuresIn(made(1024, { 32: [1], 56: [0x53, 0xef], 120: [0x1b, 0x5b, 0x3c, 0xe9, 0] }), 0), "Label"), ".[<.");
});
