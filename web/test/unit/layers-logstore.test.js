import assert from "node:assert/strict";
import { test } from "node:test";
import { NbdError } from "../../client/errors.js";
import { crc32 } from "../../client/storage/crc32.js";
import { FakeDisk } from "./fake-folder.js";
import { fakePage } from "./fake-page.js";
import { Tested, blocks, contentOf, openStore } from "./logstore-model.js";
import { Random } from "./random.js";

const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 32));
const lives = Number(process.env.LIVES ?? 400);

/** One random operation. @param {Tested} tested */
function operation(tested) {
  const kind = tested.random.below(100);
  if (kind < 50) return tested.write();
  if (kind < 62) return tested.zero();
  if (kind < 80) return tested.read();
  if (kind < 97) return tested.flush();
  return tested.replace(kind < 98);
}

/**
 * Works until the end of its life; what is under way then never ends.
 * @param {Tested} tested @param {FakeDisk} disk
 */
async function live(tested, disk) {
  const { random } = tested;
  let left = 1 + random.below(120);
  const end = disk.calls + 1 + random.below(150);
  let over = () => {};
  const ended = /** @type {Promise<void>} */ (new Promise((resolve) => { over = resolve; }));
  const faults = random.chance(30) ? 4 : 0;
  if (random.chance(10)) disk.limit = disk.bytes + random.below(30_000);
  disk.before = async () => {
    for (let hops = random.below(4); hops > 0; hops--) await null;
    if (disk.calls >= end) return disk.kill(), over();
    if (random.chance(faults)) throw new NbdError(random.chance(50) ? "EIO" : "ENOSPC", "injected");
  };
  const worker = async () => { while (left-- > 0) await operation(tested).catch(honest); };
  await Promise.race([ended, Promise.all([1, 2, 3].map(worker))]);
  disk.kill();
  disk.limit = Infinity;
  disk.before = async () => {};
}

/** @param {any} error */
function honest(error) {
  if (!["injected", "The fake disk is full."].includes(error.message) && !/failed twice/.test(error.message)) throw error;
}

test(`after any crash each block is old or new, and what was flushed is new (SEED=${seed})`, async (t) => {
  t.diagnostic(`run it again with SEED=${seed} LIVES=${lives}`);
  let random = new Random(seed);
  let disk = new FakeDisk(random);
  let tested = new Tested(await openStore(disk), random);
  for (let life = 0; life < lives; life++) {
    await live(tested, disk);
    if (random.chance(60)) disk.crash();
    tested = await tested.survivedBy(await openStore(disk));
  }
});

/**
 * A store with a history: what it held after each operation.
 * @param {Random} random
 */
async function history(random) {
  const disk = new FakeDisk(random);
  const store = await openStore(disk, { compactAt: random.of([8192, 1 << 20]) });
  const tested = new Tested(store, random);
  const states = [tested.now.slice()];
  for (let i = 20 + random.below(60); i > 0; i--) {
    await operation(tested);
    states.push(tested.now.slice());
  }
  await store.close();
  return { disk, states };
}

// A last record that is damaged can't be told from one that is torn: then it is as it was before.
test(`a damaged index opens with an error or as it was once (SEED=${seed})`, async (t) => {
  const random = new Random(seed);
  let refused = 0, same = 0, earlier = 0;
  for (let i = 0; i < lives; i++) {
    const { disk, states } = await history(random);
    const content = /** @type {any} */ (disk.files.get(`index.${random.below(2)}`));
    const from = random.chance(50) ? content.length - 512 : 0; // the last record, or anywhere
    for (let flips = 1 + random.below(3); flips > 0; flips--) content.bytes[from + random.below(content.length - from)] ^= 1 + random.below(255);
    const store = await openStore(disk).catch((error) => error);
    if (store instanceof Error) {
      assert.match(`${/** @type {any} */ (store).code} ${store.message}`, /^EIO The test is damaged: /);
      refused++;
      continue;
    }
    const found = await contentOf(store, 0, blocks);
    const which = states.findLastIndex((state) => found.every((value, b) => value === state[b]));
    assert.ok(which >= 0, `found ${found}`);
    if (which === states.length - 1) same++;
    else earlier++;
  }
  t.diagnostic(JSON.stringify({ refused, same, earlier }));
  assert.ok(refused > lives / 20 && same > lives / 20 && earlier > 0);
});

test("a full disk refuses and leaves all as it was; a reset makes room", async () => {
  const random = new Random(7);
  const disk = new FakeDisk(random);
  const tested = new Tested(await openStore(disk), random);
  for (let i = 0; i < 20; i++) await tested.write();
  await tested.flush();
  disk.limit = disk.bytes;
  let refused = 0;
  for (let i = 0; i < 20; i++) {
    await tested.write().catch((error) => (assert.equal(error.code, "ENOSPC"), refused++));
    await tested.read();
    await tested.flush().catch((error) => assert.equal(error.code, "ENOSPC"));
  }
  assert.ok(refused > 0);
  disk.kill();
  const again = await tested.survivedBy(await openStore(disk));
  await again.replace(false);
  assert.ok(disk.bytes < 10_000, `${disk.bytes}`);
  for (let i = 0; i < 5; i++) await again.write();
  await again.flush();
});

test("free slots are used again, and zeros of a whole disk take few bytes", async () => {
  const disk = new FakeDisk(new Random(1));
  const store = await openStore(disk);
  for (let i = 0; i < 200; i++) {
    await store.write(0, new Uint8Array(8 * 512).fill(i));
    if (i % 3 === 0) await store.flush();
  }
  const { length } = /** @type {any} */ (disk.files.get("data"));
  assert.ok(length <= 5 * 8 * 512, `${length}`);
  await store.close();

  const large = { size: 2 ** 53 - 1, blockSize: 512, identity: undefined };
  const empty = new FakeDisk(new Random(1));
  const zeroed = await openStore(empty, { facts: large });
  await zeroed.zero(0, large.size);
  await zeroed.close();
  assert.equal(empty.bytes, 4096 + 512 + 4096);
  const again = await openStore(empty, { facts: large });
  assert.deepEqual(again.extents(0, large.size).map((e) => e.type), ["zero"]);
});

test("the size and the identity of the device are held to", async () => {
  const facts = { size: 1 << 20, blockSize: 1024, identity: "a" };
  const disk = new FakeDisk(new Random(1));
  await (await openStore(disk, { facts })).close();
  /** @type {[Partial<typeof facts> | { identity: undefined }, RegExp | undefined][]} */
  const table = [
    [{ size: 1 << 21 }, /The test was made for another device: one of 1048576 bytes, and this one has 2097152/],
    [{ identity: "b" }, /The test was made for another device: a, and this one is b/],
    [{ identity: undefined }, undefined],
    [{ blockSize: 4096 }, undefined],
  ];
  for (const [change, message] of table) {
    const opening = openStore(disk, { facts: { ...facts, ...change } });
    if (message) await assert.rejects(opening, { code: "IDENTITY", message });
    else assert.equal((await opening).blockSize, 1024);
  }
});

test("what another version wrote is left alone", async () => {
  const disk = new FakeDisk(new Random(1));
  await (await openStore(disk)).close();
  const { bytes } = /** @type {any} */ (disk.files.get("index.0"));
  const view = new DataView(bytes.buffer, 0, 4096);
  view.setUint32(8, 2, true);
  view.setUint32(12, 0, true);
  view.setUint32(12, crc32(bytes.slice(0, 4096)), true);
  await assert.rejects(openStore(disk), { code: "ENOTSUP", message: /format 2, this one knows 1/ });
});

test("what was written is flushed by itself soon, also while more is written", async () => {
  const disk = new FakeDisk(new Random(1));
  const store = await openStore(disk, { flushAfter: 20 });
  let writing = true;
  const writer = (async () => {
    while (writing) {
      await store.write(512, new Uint8Array(512));
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  })();
  await store.write(0, new Uint8Array(512).fill(1));
  const file = /** @type {any} */ (disk.files.get("index.0"));
  while (file.durable.length === 4096) await new Promise((resolve) => setTimeout(resolve, 1));
  writing = false;
  await writer;
  disk.crash();
  assert.equal((await (await openStore(disk)).read(0, 512))[0], 1);
});

test("what had no room is flushed by itself when there is some", async () => {
  const disk = new FakeDisk(new Random(1));
  const store = await openStore(disk, { flushAfter: 5 });
  await store.write(0, new Uint8Array(512).fill(1));
  disk.limit = disk.bytes;
  let refused = 0;
  disk.before = (method, name) => { if (method === "write" && name.startsWith("index")) refused++; };
  while (refused < 3) await new Promise((resolve) => setTimeout(resolve, 1));
  disk.limit = Infinity;
  const file = /** @type {any} */ (disk.files.get("index.0"));
  while (file.durable.length === 4096) await new Promise((resolve) => setTimeout(resolve, 1));
  disk.crash();
  assert.equal((await (await openStore(disk)).read(0, 512))[0], 1);
});

test("a store that can't be opened leaves nothing behind on the page", async (t) => {
  const { window } = fakePage(t);
  const disk = new FakeDisk(new Random(1));
  const store = await openStore(disk);
  assert.ok(window.listeners > 0);
  await store.write(0, new Uint8Array(512));
  await store.close();
  assert.equal(window.listeners, 0);
  const { bytes } = /** @type {any} */ (disk.files.get("index.0"));
  const record = bytes.slice(4096, 4608);
  const view = new DataView(record.buffer);
  view.setFloat64(16, 9, true); // a later one, behind one that is damaged
  view.setUint32(4, crc32(record.slice(8, 32 + 24)), true);
  disk.files.get("index.0")?.apply({ offset: 4608, bytes: record });
  disk.files.get("index.0")?.apply({ offset: 4100, bytes: new Uint8Array(4) });
  await assert.rejects(openStore(disk), { code: "EIO", message: /is damaged/ });
  assert.equal(window.listeners, 0);
});

test("what fails and changes nothing leaves nothing at risk", async (t) => {
  const { held } = fakePage(t);
  const store = await openStore(new FakeDisk(new Random(1)));
  await assert.rejects(store.replace(async () => {
    await store.write(0, new Uint8Array(512));
    throw new Error("no");
  }), { message: "no" });
  await store.flush();
  await null;
  assert.equal(held.size, 0);
});
