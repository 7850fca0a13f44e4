import assert from "node:assert/strict";
import { test } from "node:test";
import { Device } from "../../client/device.js";
import { memoryStore, withOverlay } from "../../client/layers/index.js";
import { openLogStore } from "../../client/layers/logstore.js";
import { encode } from "../../client/layers/overlayfile.js";
import { FakeDisk } from "./fake-folder.js";
import { MemoryDisk, settled } from "./memory-disk.js";
import { Random } from "./random.js";

const size = 3_000_001;

/** Nothing writes to them. @type {Record<number, MemoryDisk>} */ const disks = {};

/** @param {string} [identity] */
function disk(identity, length = size) {
  disks[length] ??= new MemoryDisk(length);
  const { device } = disks[length];
  return new Device({ size: length, identity, blockSize: device.blockSize, read: (offset, count) => device.read(offset, count) });
}

const stores = {
  "in memory": async (blockSize = 4096) => memoryStore({ blockSize }),
  "in files": (blockSize = 4096) => openLogStore(new FakeDisk(new Random(1)).folder(), { what: "x", facts: { size, blockSize, identity: undefined }, flushAfter: Infinity }),
};

/** @param {import("../../client/layers/index.js").Overlay} overlay */
async function change(overlay) {
  await overlay.write(5, new Uint8Array(10_000).fill(1));
  await overlay.write(900_000, new Uint8Array(1_500_000).fill(2));
  await overlay.zero(2_500_000, 100_000);
  await overlay.write(size - 1, new Uint8Array([3]));
  return overlay;
}

/** @param {import("../../client/layers/index.js").Overlay} overlay */
const exported = async (overlay) => new Response(await overlay.export()).blob();

/** A small overlay, and its file. @param {string} [identity] */
async function small(identity) {
  const overlay = withOverlay(disk(identity, 5000), memoryStore({ blockSize: 512 }));
  await overlay.write(600, new Uint8Array(600).fill(7));
  await overlay.zero(2048, 1024);
  return { overlay, file: new Uint8Array(await (await exported(overlay)).arrayBuffer()) };
}

for (const [from, make] of Object.entries(stores)) {
  for (const [to, makeOther] of Object.entries(stores)) {
    for (const blockSize of [512, 4096, 65536]) {
      test(`an overlay ${from} becomes one ${to} with blocks of ${blockSize}`, async () => {
        const first = await change(withOverlay(disk("a"), await make()));
        const file = await exported(first);
        assert.ok(file.size < 1_700_000, "it is sparse");
        const store = await makeOther(blockSize);
        const second = withOverlay(disk("a"), store);
        await second.write(1_000_000, new Uint8Array(2_000_000).fill(9));
        await second.import(blockSize === 512 ? file.stream() : file);
        assert.deepEqual(await second.read(0, size), await first.read(0, size));
        if (blockSize === 4096) assert.deepEqual(second.dirty(), first.dirty());
        await second.write(0, new Uint8Array(4096));
        await second.reset();
        assert.deepEqual(await second.read(0, size), await disk().read(0, size));
      });
    }
  }
}

test("the last bytes of the largest device are kept, in stores of every kind", async () => {
  const largest = 2 ** 53 - 1;
  const facts = { size: largest, blockSize: 4096, identity: undefined };
  for (const store of [memoryStore(), await openLogStore(new FakeDisk(new Random(1)).folder(), { what: "x", facts, flushAfter: Infinity })]) {
    const device = new Device({ size: largest, blockSize: { minimum: 1, preferred: 4096, maximumPayload: 1 << 25 }, read: async (_, length) => new Uint8Array(length).fill(9) });
    const overlay = withOverlay(device, store);
    await overlay.write(0, new Uint8Array(5)); // so that others lie elsewhere
    await overlay.write(largest - 4, Uint8Array.of(1, 2, 3, 4));
    for (const count of [6, 3, 2, 1]) assert.deepEqual([...await overlay.read(largest - count, count)], [9, 9, 1, 2, 3, 4].slice(-count));
    await overlay.close();
  }
});

test("chunks are bounded, and a chunk is read when it is asked for", async () => {
  const store = memoryStore();
  const overlay = await change(withOverlay(disk(), store));
  let reads = 0;
  const { read } = store;
  store.read = (...args) => (reads++, read.apply(store, args));
  const stream = await overlay.export();
  await settled();
  assert.equal(reads, 0);
  for await (const chunk of /** @type {any} */ (stream)) assert.ok(chunk.length <= (1 << 20) + 24);
  assert.equal(reads, 6);
});

test("a file that is cut or changed anywhere is refused, and nothing is changed", async () => {
  const { overlay, file } = await small("a");
  await overlay.write(0, new Uint8Array(5000).fill(5));
  const before = await overlay.read(0, 5000);
  const bad = (/** @type {Uint8Array<ArrayBuffer>} */ bytes) => assert.rejects(overlay.import(new Blob([bytes])), (/** @type {any} */ error) => ["INVALID_ARGUMENT", "ENOTSUP", "IDENTITY"].includes(error.code));
  for (let i = 0; i < file.length; i++) {
    await bad(file.slice(0, i));
    const changed = file.slice();
    changed[i] ^= 1 << (i % 8);
    await bad(changed);
  }
  await bad(new Uint8Array([...file, 0]));
  assert.deepEqual(await overlay.read(0, 5000), before);
  await overlay.import(new Blob([file]));
  assert.equal((await overlay.read(600, 1))[0], 7);
});

test("a record of half a byte is refused", async () => {
  for (const [offset, length] of [[0.5, 4096], [0, 4096.5]]) {
    const extents = /** @type {any} */ ([{ offset, length, type: "zero" }]);
    /** @type {Uint8Array<ArrayBuffer>[]} */ const chunks = [];
    for await (const chunk of encode({ size: 5000, identity: undefined }, extents, async () => new Uint8Array(0))) chunks.push(chunk);
    const overlay = withOverlay(disk(undefined, 5000), memoryStore());
    await assert.rejects(overlay.import(new Blob(chunks)), { code: "INVALID_ARGUMENT", message: /a record can't be/ });
  }
});

test("a file of another device is refused", async () => {
  const { file } = await small("a");
  const table = { 4999: "a", 5000: "b" };
  for (const [length, identity] of Object.entries(table)) {
    const overlay = withOverlay(disk(identity, Number(length)), memoryStore());
    await assert.rejects(overlay.import(new Blob([file])), { code: "IDENTITY", message: /^The file can't be imported: it is of / });
  }
  await withOverlay(disk(undefined, 5000), memoryStore()).import(new Blob([file]));
});

test("what is no file is refused, and a stream that fails says so", async () => {
  const { overlay } = await small();
  await assert.rejects(overlay.import(/** @type {any} */ ("file")), { code: "INVALID_ARGUMENT", message: /takes a Blob/ });
  await assert.rejects(overlay.import(new Blob(["hello, this is no overlay at all"])), { code: "INVALID_ARGUMENT", message: /no overlay that was exported/ });
  const failing = new ReadableStream({ pull: () => { throw new Error("torn cable"); } });
  await assert.rejects(overlay.import(failing), { code: "EIO", message: /torn cable/ });
  const aborter = new AbortController();
  const importing = overlay.import(new ReadableStream({}), { signal: aborter.signal });
  aborter.abort("enough");
  await assert.rejects(importing, (reason) => reason === "enough");
});

for (const [where, make] of Object.entries(stores)) {
  test(`an import ${where} that fails in the middle leaves all as it was`, async () => {
    const file = await exported(await change(withOverlay(disk(), await make())));
    const store = await make();
    const overlay = withOverlay(disk(), store);
    await overlay.write(70_000, new Uint8Array(70_000).fill(8));
    const before = await overlay.read(0, size);
    const { write } = store;
    let writes = 0;
    store.write = (...args) => ++writes === 3 ? Promise.reject(new Error("no room")) : write.apply(store, args);
    await assert.rejects(overlay.import(file), { message: "no room" });
    assert.deepEqual(await overlay.read(0, size), before);
    await overlay.import(file);
    assert.equal((await overlay.read(5, 1))[0], 1);
  });
}

test("writes wait for the end of an export, whichever it is", async (t) => {
  const aborter = new AbortController();
  const { overlay } = await small();
  /** @type {Record<string, (stream: ReadableStream<Uint8Array>) => Promise<unknown>>} */
  const ends = {
    read: (stream) => new Response(/** @type {any} */ (stream)).blob(),
    cancelled: (stream) => stream.cancel(),
    aborted: async (stream) => {
      aborter.abort("enough");
      await assert.rejects(stream.getReader().read(), (reason) => reason === "enough");
    },
    stalled: async (stream) => {
      t.mock.timers.tick(60_000);
      await assert.rejects(stream.getReader().read(), { code: "TIMEOUT" });
    },
  };
  for (const [name, end] of Object.entries(ends)) {
    if (name === "stalled") t.mock.timers.enable({ apis: ["setTimeout"] });
    const stream = await overlay.export({ signal: aborter.signal.aborted ? undefined : aborter.signal });
    let written = false;
    await overlay.read(0, 5000);
    const writing = overlay.write(0, new Uint8Array(9)).then(() => { written = true; });
    for (let i = 0; i < 20; i++) await null;
    assert.ok(!written);
    await end(stream);
    await writing;
  }
});

test("an export whose store fails, fails; closed overlays export nothing", async () => {
  const { overlay } = await small();
  const store = memoryStore();
  const failing = withOverlay(disk(), store);
  await failing.write(0, new Uint8Array(1));
  store.read = () => Promise.reject(new Error("gone"));
  await assert.rejects(exported(failing), { message: "gone" });
  await failing.write(0, new Uint8Array(4096));
  await overlay.close();
  await assert.rejects(overlay.export(), { code: "CLOSED" });
  await assert.rejects(overlay.import(new Blob([])), { code: "CLOSED" });
});
