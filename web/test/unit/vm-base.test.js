import assert from "node:assert/strict";
import { test } from "node:test";
import { memoryStore, withCache, withOverlay } from "../../client/layers/index.js";
import { BlockMap } from "../../demo/vm/blockmap.js";
import { Counts, countReads, countStore, countTrips } from "../../demo/vm/counting.js";
import { Digests, lineSize } from "../../demo/vm/digests.js";
import { checkSample, firstPartition, sampleOf, verified } from "../../demo/vm/verified.js";
import { MemoryDisk } from "./memory-disk.js";

const size = 4 * lineSize + 1000;
/** @param {MemoryDisk} disk */
const trips = (disk) => disk.asked().length;

test("digests survive being written down, and nothing else is taken for them", () => {
  const digests = new Digests();
  for (const line of [3, 0, 4_000_000]) digests.set(line, new Uint8Array(32).fill(line));
  digests.set(3, new Uint8Array(32)); // what was known stays
  const found = Digests.decode(digests.encode());
  assert.deepEqual(found.lines(), [0, 3, 4_000_000]);
  assert.deepEqual(found.get(3), new Uint8Array(32).fill(3));
  assert.equal(found.get(1), undefined);
  const good = digests.encode();
  for (const bad of [new Uint8Array(0), new Uint8Array(16), good.subarray(0, -1), good.with(0, 1), good.with(8, 1)]) {
    assert.throws(() => Digests.decode(bad), { code: "EIO" });
  }
});

test("digests take bounded memory: the first that were read stay", () => {
  const digests = new Digests();
  for (let line = 0; line < 65_537; line++) digests.set(line, new Uint8Array(32));
  assert.equal(digests.count, 65_536);
  assert.equal(digests.get(65_536), undefined);
});

test("a base that changes is refused from then on", async () => {
  const disk = new MemoryDisk(size);
  const digests = new Digests();
  const base = verified(disk.device, digests);
  assert.deepEqual(await base.read(lineSize - 1, 2), disk.bytes.slice(lineSize - 1, lineSize + 1));
  assert.deepEqual(await base.read(size - 1, 1), disk.bytes.slice(size - 1));
  assert.deepEqual(digests.lines(), [0, 1, 4]);
  assert.deepEqual(disk.asked(), [`read 0+${2 * lineSize}`, `read ${4 * lineSize}+1000`]);
  disk.bytes[lineSize + 7] ^= 1;
  await base.read(2 * lineSize, 1); // what is not known is no reason
  await assert.rejects(base.read(lineSize, 1), { code: "IDENTITY", offset: lineSize });
  await assert.rejects(base.read(0, 1), { code: "IDENTITY" });
});

test("a sample has the first line, that of the superblock, and a spread of 16 at most", () => {
  const many = Array.from({ length: 100 }, (_, i) => 2 * i);
  const chosen = sampleOf(many, 4);
  assert.deepEqual(chosen.slice(0, 2), [0, 4]);
  assert.ok(chosen.length > 12 && chosen.length <= 16);
  assert.equal(chosen.at(-1), 198);
  assert.deepEqual(sampleOf([7], 4), [7]);
  assert.deepEqual(sampleOf([], 4), []);
  assert.deepEqual(sampleOf([0, 1], 0), [0, 1]);
});

test("the first partition is found by an MBR and by a GPT", () => {
  const mbr = new Uint8Array(2048);
  mbr.set([0x55, 0xaa], 510);
  mbr[450] = 0x83;
  new DataView(mbr.buffer).setUint32(454, 2048, true);
  const gpt = mbr.slice();
  gpt[450] = 0xee;
  new DataView(gpt.buffer).setBigUint64(1056, 4096n, true);
  const cases = /** @type {const} */ ([[mbr, 1 << 20], [gpt, 2 << 20], [gpt.subarray(0, 512), 0], [new Uint8Array(2048), 0], [new Uint8Array(3), 0]]);
  for (const [bytes, offset] of cases) assert.equal(firstPartition(bytes), offset);
});

test("a sample is compared before a machine goes on", async () => {
  const disk = new MemoryDisk(size);
  const digests = new Digests();
  await verified(disk.device, digests).read(0, size);
  trips(disk);
  assert.equal(await checkSample(withCache(verified(disk.device, digests)), digests), 5);
  disk.bytes[3 * lineSize] ^= 1;
  await assert.rejects(checkSample(withCache(verified(disk.device, digests)), digests), { code: "IDENTITY" });
  assert.equal(await checkSample(verified(disk.device, new Digests()), new Digests()), 0);
});

test("reads are told apart by whether the server had to be read", async () => {
  const disk = new MemoryDisk(size);
  const map = new BlockMap(size);
  const counts = new Counts(map);
  const device = countReads(withCache(countTrips(disk.device, counts), { readAhead: 0 }), counts);
  await device.read(0, 512);
  await device.read(512, 512);
  await Promise.all([device.read(lineSize, 1), device.read(lineSize + 9, 1)]); // the second waits for the first
  assert.deepEqual([counts.reads, counts.hits, counts.trips], [4, 1, 2]);
  assert.equal(map.at(0), "hit");
  assert.equal(map.at(lineSize / map.cellSize), "read");
  assert.equal(map.at(2 * lineSize / map.cellSize), undefined);
});

test("writes are counted in an overlay, which is told before", async () => {
  const disk = new MemoryDisk(size);
  const counts = new Counts(new BlockMap(size));
  /** @type {string[]} */ const order = [];
  const inner = memoryStore();
  const store = countStore(inner, counts, async () => { order.push(`changing ${inner.extents(0, size).length}`); });
  const overlay = withOverlay(disk.device, store);
  await overlay.write(0, new Uint8Array(4096));
  await overlay.zero(8192, 4096);
  assert.deepEqual([counts.written, order], [8192, ["changing 0", "changing 1"]]);
  await overlay.reset();
  assert.deepEqual(overlay.dirty(), []);
  assert.equal(order.length, 3);
});

test("writes through are counted", async () => {
  const disk = new MemoryDisk(size);
  const counts = new Counts(new BlockMap(size));
  const device = countReads(withCache(countTrips(disk.device, counts)), counts);
  await device.write(10, Uint8Array.of(1, 2, 3));
  assert.deepEqual([counts.written, [...disk.bytes.subarray(10, 13)]], [3, [1, 2, 3]]);
});

test("a map has at most 1024 cells, of disks up to 1 TiB", () => {
  for (const [bytes, cell] of [[512, 512], [2 << 20, 2048], [48 << 20, 65_536], [2 ** 40, 2 ** 30], [2 ** 40 - 512, 2 ** 30]]) {
    const map = new BlockMap(bytes);
    assert.equal(map.cellSize, cell);
    assert.ok(map.length <= 1024 && map.length * cell >= bytes, `${bytes}`);
  }
});

test("a map shows the most that happened to a cell", () => {
  const map = new BlockMap(1 << 20);
  map.mark("read", 0, 3000);
  map.mark("written", 1024, 1);
  map.mark("hit", 0, 2048);
  map.mark("read", (1 << 20) - 1, 5000); // beyond the end
  assert.deepEqual([map.at(0), map.at(1), map.at(2), map.at(3), map.at(1023)], ["hit", "written", "read", undefined, "read"]);
  assert.deepEqual(map.counts(), { read: 2, hit: 1, written: 1 });
  const { changes } = map;
  map.mark("read", 0, 4);
  map.mark("read", (1 << 20) - 1, 5000);
  assert.equal(map.changes, changes);
});
