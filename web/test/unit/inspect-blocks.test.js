// The blocks that the inspector has at hand, and sectors that can't be read.
import assert from "node:assert/strict";
import { test } from "node:test";
import { NbdError } from "../../client/errors.js";
import { Blocks, blockSize } from "../../demo/inspect/bytes/blocks.js";
import { Marks } from "../../demo/inspect/bytes/marks.js";
import { MemoryDisk, held, settled } from "./memory-disk.js";

const signal = new AbortController().signal;

test("what is in sight is read once, by blocks", async () => {
  const disk = new MemoryDisk(blockSize * 3 + 100);
  const blocks = new Blocks(disk.device, disk.device);
  assert.equal(blocks.rowAt(0, 16), undefined);
  assert.equal(await blocks.load(blockSize - 10, blockSize + 10, signal), true);
  assert.deepEqual(disk.asked(), [`read 0+${blockSize}`, `read ${blockSize}+${blockSize}`]);
  assert.equal(await blocks.load(0, blockSize, signal), false);
  assert.deepEqual(blocks.rowAt(blockSize, 16), [...disk.bytes.subarray(blockSize, blockSize + 16)]);
  await blocks.load(blockSize * 3, blockSize * 4, signal);
  assert.deepEqual(disk.asked(), [`read ${blockSize * 3}+100`]);
  assert.equal(blocks.rowAt(blockSize * 3 + 96, 16)?.length, 4, "the disk ends in the row");
  assert.deepEqual(blocks.bytesAt(blockSize * 3 + 98, 64), disk.bytes.slice(-2));
});

test("a bad sector leaves its neighbours, and is tried again when asked", async () => {
  const disk = new MemoryDisk(blockSize * 2);
  const bad = (/** @type {import("./memory-disk.js").Op} */ op) => op.offset < 1536 && op.offset + op.length > 1024;
  disk.gate = async (op) => { if (bad(op)) throw new NbdError("EIO", "bad sector", { offset: op.offset }); };
  const blocks = new Blocks(disk.device, disk.device);
  await blocks.load(0, blockSize, signal);
  assert.deepEqual(blocks.rowAt(1008, 16), [...disk.bytes.subarray(1008, 1024)]);
  assert.deepEqual(blocks.rowAt(1024, 16), Array(16).fill(null));
  assert.deepEqual(blocks.rowAt(1536, 16), [...disk.bytes.subarray(1536, 1552)]);
  assert.match(String(blocks.whyBad(1024)), /bad sector/);
  assert.equal(blocks.bytesAt(1020, 64).length, 4);
  disk.gate = async () => {};
  await blocks.load(0, blockSize, signal);
  assert.equal(blocks.rowAt(1024, 16)?.[0], null, "kept until asked");
  blocks.forgetBad();
  await blocks.load(0, blockSize, signal);
  assert.equal(blocks.rowAt(1024, 16)?.[0], disk.bytes[1024]);
});

test("what says nothing about the bytes makes no sector bad", async () => {
  const disk = new MemoryDisk(blockSize);
  disk.gate = async () => { throw new NbdError("DISCONNECTED", "gone"); };
  const blocks = new Blocks(disk.device, disk.device);
  await assert.rejects(blocks.load(0, 10, signal), { code: "DISCONNECTED" });
  assert.equal(blocks.rowAt(0, 16), undefined);
});

test("an abort ends the reads, and keeps nothing", async () => {
  const disk = new MemoryDisk(blockSize);
  const waiting = held(disk);
  const blocks = new Blocks(disk.device, disk.device);
  const controller = new AbortController();
  const load = blocks.load(0, 10, controller.signal);
  await settled();
  controller.abort(new Error("scrolled on"));
  await assert.rejects(load, /scrolled on/);
  assert.equal(waiting.length, 1, "no sector is asked for after that");
  assert.equal(blocks.rowAt(0, 16), undefined);
});

test("old blocks are forgotten", async () => {
  const disk = new MemoryDisk(blockSize * 600);
  const blocks = new Blocks(disk.device, disk.device);
  for (let at = 0; at < disk.device.size; at += blockSize) await blocks.load(at, at + 1, signal);
  assert.equal(blocks.rowAt(0, 16), undefined);
  assert.notEqual(blocks.rowAt(blockSize * 599, 16), undefined);
});

test("fields are found where the bytes are at hand", async () => {
  const disk = new MemoryDisk(blockSize);
  disk.bytes.fill(0);
  disk.bytes.set(Buffer.from("EFI PART"), 512);
  const blocks = new Blocks(disk.device, disk.device);
  const marks = new Marks(blocks);
  assert.equal(marks.at(512), undefined);
  await blocks.load(0, blockSize, signal);
  assert.deepEqual([marks.at(511)?.field.name, marks.at(512)?.field.name, marks.at(519)?.field.name, marks.at(520)?.field.name], [undefined, "Signature", "Signature", "Revision"]);
  assert.deepEqual(marks.within(0, 600).map(({ name }) => name), ["GPT header"]);
});
