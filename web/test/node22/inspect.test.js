// The inspector's own WebAssembly, in a thread of Node 22, over a disk of mke2fs.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { hash } from "nbdbridge/copy";
import { inspect } from "nbdbridge/inspect";
import { missingPackages } from "../browser/needs.js";
import { MemoryDisk, held, settled } from "../unit/memory-disk.js";
import { makeVolume, many, missingForVolume, partition } from "../volume.js";

const MiB = 1 << 20;
const client = new URL("../../client/", import.meta.url);

/** @param {Uint8Array} bytes */
const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");

/** @template T @param {AsyncIterable<T[]>} batches */
async function all(batches) {
  const items = [];
  for await (const batch of batches) items.push(...batch);
  return items;
}

describe("the inspector", { skip: missingPackages(missingForVolume()) }, () => {
  let dir = "";
  /** @type {Awaited<ReturnType<typeof makeVolume>>} */ let made;
  /** @type {MemoryDisk} */ let disk;
  /** @type {import("nbdbridge/inspect").Inspector} */ let inspector;
  /** @type {import("nbdbridge/inspect").Volume} */ let volume;

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), "nbd-inspect-"));
    made = await makeVolume(dir);
    const bytes = await readFile(made.file);
    disk = new MemoryDisk(bytes.length, { readOnly: true });
    disk.bytes.set(bytes);
    inspector = await inspect(disk.device);
    volume = await inspector.open(partition.offset, partition.length);
  });
  after(async () => {
    await inspector?.close();
    await rm(dir, { recursive: true });
  });

  test("tells the layout and the signatures", async () => {
    const { scheme, uuid, parts } = await inspector.layout();
    assert.deepEqual([scheme, uuid], ["mbr", "1234ABCD"]);
    const found = parts.find(({ kind }) => kind === "partition");
    assert.deepEqual([found?.number, found?.offset, found?.length, found?.type], [1, partition.offset, partition.length, "83"]);
    const [ext] = await inspector.signatures(partition.offset, partition.length);
    assert.deepEqual([ext.kind, ext.label, ext.browsable], ["ext4", "lab", true]);
    assert.deepEqual(await inspector.signatures(512, 512), []);
  });

  test("lists folders in batches, and only as the loop asks", async () => {
    assert.equal(volume.facts.kind, "ext4");
    const names = (await all(volume.list("/"))).map(({ name }) => name).sort();
    assert.deepEqual(names, ["deep", "lost+found", "many", "random.bin", "sparse.bin"]);
    assert.deepEqual((await all(volume.list("/deep/er"))).map(({ name, size }) => [name, size]), [["odd \n\\\\ näme", 3]]);
    const lengths = [];
    const found = new Set();
    for await (const batch of volume.list("/many")) {
      lengths.push(batch.length);
      for (const { name } of batch) found.add(name);
    }
    assert.equal(found.size, many);
    assert.ok(lengths.every((n) => n > 0 && n <= 1000), `${lengths}`);
  });

  test("more lists than may be open are no trouble, when each is left", async () => {
    for (let i = 0; i < 100; i++) {
      for await (const [{ name }] of volume.list("/many")) {
        assert.match(name, /file/);
        break;
      }
    }
  });

  test("has files as devices, whose holes are not read", async () => {
    const [random, sparse] = [await volume.file("/random.bin"), await volume.file("/sparse.bin")];
    assert.deepEqual([random.size, random.readOnly], [made.random.length, true]);
    assert.deepEqual(await hash(random, ["sha256"]), { sha256: sha256(made.random) });
    assert.deepEqual(Buffer.from(await random.read(MiB - 3, 2 * MiB + 9)), made.random.subarray(MiB - 3, 3 * MiB + 6));
    const extents = await sparse.blockStatus(0, sparse.size);
    assert.deepEqual(extents.map(({ type }) => type), ["data", "hole", "data"]);
    assert.deepEqual(await hash(sparse, ["sha256"]), { sha256: sha256(made.sparse) });
    await random.close();
    await assert.rejects(random.read(0, 1), { code: "CLOSED" });
    await assert.rejects(sparse.read(sparse.size, 1), { code: "OUT_OF_RANGE" });
  });

  test("tells the details of an entry", async () => {
    const { name, type, size, mode, times, extents } = await volume.stat("/sparse.bin");
    assert.deepEqual([name, type, size, mode], ["sparse.bin", "file", made.sparse.length, "-rw-r--r--"]);
    assert.ok(times?.some((time) => time.name === "modified" && time.zone === "UTC"));
    assert.ok(extents?.some(({ kind }) => kind === "hole"));
  });

  test("finds bytes and texts, and tells how far it is", async () => {
    const at = (await readFile(made.file)).indexOf(Buffer.from("The Needle", "utf16le"));
    /** @type {any} */ let last;
    const hits = await all(inspector.search({
      needles: [{ bytes: Uint8Array.of(0xff, 0x53, 0xef, 0x01, 0xff) }, { text: "the needle", ignoreCase: true }],
      context: 4, onProgress: (state) => { last = state; },
    }));
    assert.deepEqual(hits.map(({ offset, length, needle, encoding, before }) => ({ offset, length, needle, encoding, before })), [{ offset: at, length: 20, needle: 1, encoding: "utf-16le", before: 4 }]);
    assert.deepEqual(Buffer.from(hits[0].bytes.subarray(4, 24)).toString("utf16le"), "The Needle");
    assert.deepEqual([last.done, last.total], [disk.bytes.length, disk.bytes.length]);
  });

  test("goes around holes of the device, and stops when the loop does", async () => {
    disk.extents = [{ offset: 0, length: 8 * MiB, type: "hole" }, { offset: 8 * MiB, length: 56 * MiB, type: "data" }];
    disk.asked();
    /** @type {any} */ let last;
    for await (const hits of inspector.search({ needles: [{ bytes: Uint8Array.of(0) }], length: 32 * MiB, onProgress: (state) => { last = state; } })) {
      assert.equal(hits.length, 1000);
      assert.equal(hits[0].offset, disk.bytes.indexOf(0, 8 * MiB));
      break;
    }
    disk.extents = undefined;
    const read = disk.asked().filter((op) => op.startsWith("read"));
    assert.ok(read.length <= 6, `${read}`);
    assert.equal(last?.skipped, 8 * MiB);
  });

  test("tells failures by their codes", async () => {
    await assert.rejects(inspector.open(0, 512), { code: "UNSUPPORTED" });
    await assert.rejects(inspector.open(0, disk.bytes.length + 1), { code: "OUT_OF_RANGE" });
    await assert.rejects(volume.stat("/none"), { code: "NOT_FOUND", message: /\/none/ });
    await assert.rejects(volume.file("/random.bin", { stream: "none" }), { code: "NOT_FOUND" });
    await assert.rejects(volume.file("/deep"), { code: "INVALID_ARGUMENT", message: /not a file/ });
    await assert.rejects(all(volume.list("/random.bin")), { code: "INVALID_ARGUMENT", message: /not a folder/ });
    await assert.rejects(volume.stat("none"), { code: "INVALID_ARGUMENT", message: /begins with/ });
    await assert.rejects(all(inspector.search({ needles: [{ text: "" }] })), { code: "INVALID_ARGUMENT" });
  });

  test("what can't be read rejects with the device's own error", async () => {
    const { NbdError } = await import("nbdbridge");
    const fresh = await inspector.open(partition.offset, partition.length);
    disk.gate = async ({ name }) => { if (name === "read") throw new NbdError("EIO", "a bad sector", { offset: 7 }, { stage: "transmission" }); };
    await assert.rejects(inspector.layout(), { code: "EIO", offset: 7, stage: "transmission", message: /a bad sector/ });
    await assert.rejects(all(fresh.list("/many")), { code: "EIO", message: /list \/many: .*a bad sector/s });
    await assert.rejects(all(inspector.search({ needles: [{ text: "x" }] })), { code: "EIO" });
    disk.gate = async () => {};
    assert.equal((await all(fresh.list("/many"))).length, many);
    await fresh.close();
  });

  test("an abort ends a call, and its reads", async () => {
    const waiting = held(disk, ({ name }) => name === "read");
    for (const call of /** @type {((signal: AbortSignal) => Promise<unknown>)[]} */ ([
      (signal) => inspector.layout({ signal }),
      (signal) => inspector.open(partition.offset, partition.length, { signal }),
      (signal) => all(inspector.search({ needles: [{ text: "x" }], signal })),
    ])) {
      const controller = new AbortController();
      const before = waiting.length;
      const calling = call(controller.signal);
      while (waiting.length === before) await settled();
      controller.abort("enough");
      await assert.rejects(calling, (reason) => reason === "enough");
    }
    disk.gate = async () => {};
    for (const { go } of waiting) go();
    assert.equal((await inspector.layout()).scheme, "mbr");
  });

  test("no more than 16 volumes are open at once; the files of one end with it", async () => {
    const volumes = [];
    for (let i = 1; i < 16; i++) volumes.push(await inspector.open(partition.offset, partition.length));
    await assert.rejects(inspector.open(partition.offset, partition.length), { code: "LIMIT", message: /16 volumes are open/ });
    const file = await volumes[0].file("/random.bin");
    await Promise.all(volumes.map((v) => v.close()));
    await assert.rejects(file.read(0, 1), { code: "CLOSED" });
    await assert.rejects(volumes[0].stat("/"), { code: "CLOSED" });
    await (await inspector.open(partition.offset, partition.length)).close();
  });

  test("the end of the inspector is that of all calls, and not of the device", async () => {
    const other = await inspect(disk.device);
    const file = await (await other.open(partition.offset, partition.length)).file("/random.bin");
    const waiting = held(disk, ({ name }) => name === "read");
    const calls = [other.layout(), file.read(0, MiB)];
    while (!waiting.length) await settled();
    const ended = Promise.all(calls.map((call) => assert.rejects(call, { code: "CLOSED" })));
    await other.close();
    await ended;
    disk.gate = async () => {};
    for (const { go } of waiting) go();
    await assert.rejects(other.layout(), { code: "CLOSED" });
    assert.equal((await disk.device.read(0, 512)).length, 512);
    assert.equal(await file.closed, undefined);
  });

  test("a device that ends tells why", async () => {
    const { NbdError } = await import("nbdbridge");
    const gone = new MemoryDisk(MiB);
    const other = await inspect(gone.device);
    gone.lose(new NbdError("DISCONNECTED", "the cable"));
    await gone.device.closed;
    await assert.rejects(other.layout(), { code: "DISCONNECTED", message: /the cable/ });
    await other.close();
  });

  test("tells what is wrong with its files", async () => {
    for (const [files, code, message] of /** @type {[any, string, RegExp][]} */ ([
      [{ wasm: new URL("evidence.wasm", client) }, "WASM_LOAD", /another one/],
      [{ wasm: new URL("nothing.wasm", client) }, "WASM_LOAD", /nothing\.wasm could not be fetched/],
      [{ worker: new URL("worker.js", client) }, "WASM_LOAD", /another one/],
      [{ worker: new URL("nothing.js", client) }, "WASM_LOAD", /could not be loaded/],
    ])) await assert.rejects(inspect(disk.device, files), { code, message });
    const wasm = await WebAssembly.compile(await readFile(new URL("inspect.wasm", client)));
    const other = await inspect(disk.device, { wasm, worker: new URL("inspect/worker.js", client) });
    assert.equal((await other.layout()).scheme, "mbr");
    await other.close();
  });
});
