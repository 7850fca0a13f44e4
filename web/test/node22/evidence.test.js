// The WebAssembly of acquisitions, in threads of Node 22, over disks in memory
// that fail as they are told to.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { describe, test } from "node:test";
import { NbdError } from "nbdbridge";
import { acquire, imageOf, pass, textOf } from "nbdbridge/evidence";
import { MemoryDisk, deviceOver } from "../unit/memory-disk.js";

const MiB = 1 << 20;
const KiB = 1 << 10;
const client = new URL("../../client/", import.meta.url);
const names = /** @type {const} */ (["md5", "sha1", "sha256", "sha512"]);

/** A disk with noise, and a hole of which its block status tells. */
function holed() {
  const disk = new MemoryDisk(9 * MiB + 12_345);
  disk.bytes.set(randomBytes(MiB), MiB);
  disk.bytes.fill(0, 3 * MiB + 1, 8 * MiB);
  disk.extents = [
    { offset: 0, length: 3 * MiB + 1, type: "data" }, { offset: 3 * MiB + 1, length: 5 * MiB - 1, type: "hole" },
    { offset: 8 * MiB, length: MiB + 12_345, type: "data" },
  ];
  return disk;
}

/** What a file of the browser's would be. */
class MemoryImage {
  content = Buffer.alloc(0);
  failure = /** @type {unknown} */ (undefined);

  async write(/** @type {Uint8Array} */ bytes) {
    if (this.failure) throw this.failure;
    this.content = Buffer.concat([this.content, bytes]);
  }
  async skip(/** @type {number} */ n) { this.content = Buffer.concat([this.content, Buffer.alloc(n)]); }
  async sync() { if (this.failure) throw this.failure; }
  async size() { return this.content.length; }
  async truncate(/** @type {number} */ n) { this.content = this.content.subarray(0, n); }
}

/** @param {Uint8Array} bytes */
const sums = (bytes) => Object.fromEntries(names.map((name) => [name, createHash(name).update(bytes).digest("hex")]));

/** Fails reads that touch a stretch. @param {MemoryDisk} disk @param {number} from @param {number} to @param {string} [code] @param {number} [times] */
function failing(disk, from, to, code = "EIO", times = Infinity) {
  disk.gate = async ({ name, offset, length }, when) => {
    if (name !== "read" || when === "after" || offset >= to || offset + length <= from || times-- <= 0) return;
    throw new NbdError(/** @type {any} */ (code), "the sector is bad", { offset, length });
  };
}

describe("acquisitions", () => {
  for (const format of /** @type {const} */ (["raw", "zstd"])) {
    test(`become ${format} images and hashes, of anything`, async () => {
      for (const disk of [holed(), new MemoryDisk(0), new MemoryDisk(1)]) {
        const image = new MemoryImage();
        const log = await acquire(disk.device, image, { format, hashes: names });
        assert.deepEqual(log.hashes, sums(disk.bytes));
        assert.deepEqual([log.status, log.image.format, log.image.size, log.source.length, log.errors, log.zeroFilled], ["complete", format, image.content.length, disk.bytes.length, [], []]);
        if (format === "raw") assert.ok(image.content.equals(disk.bytes));
        else assert.ok(execFileSync("zstd", ["-dc"], { input: image.content, maxBuffer: 1 << 26 }).equals(disk.bytes));
        const back = await imageOf(format, deviceOver(image.content));
        assert.deepEqual(await pass(back, names), sums(disk.bytes));
        await back.close();
        assert.match(await textOf(log), new RegExp(log.hashes.sha512.match(/.{16}/g)?.join("\\s*") ?? ""));
      }
    });
  }

  test("go around holes, unless they are not to", async () => {
    for (const [skipHoles, skipped] of /** @type {const} */ ([[true, 5 * MiB - 1], [false, 0]])) {
      const disk = holed();
      const { blockStatus, transferred } = await acquire(disk.device, new MemoryImage(), { skipHoles });
      assert.deepEqual([blockStatus.skipped, transferred, blockStatus.asked], [skipped, disk.bytes.length - skipped, skipHoles]);
    }
  });

  test("put zeros where nothing can be read, and say so", async () => {
    const disk = holed();
    failing(disk, MiB + 5000, MiB + 5001);
    const image = new MemoryImage();
    /** @type {any} */ let last;
    const log = await acquire(disk.device, image, { retries: 1, smallest: 512, onProgress: (p) => { last = p; } });
    const lost = { offset: MiB + 4608, length: 512 };
    assert.deepEqual(log.zeroFilled, [lost]);
    assert.ok(log.errors.every((e) => /the sector is bad/.test(e.message)) && last.errors > 2 && last.lost === 512, JSON.stringify([log.errors, last]));
    const want = disk.bytes.slice().fill(0, lost.offset, lost.offset + lost.length);
    assert.ok(image.content.equals(want));
    assert.equal(log.hashes.sha256, sums(want).sha256);
    await assert.rejects(pass(disk.device, ["sha256"]), { code: "EIO", message: /the sector is bad/ });
    assert.deepEqual(await pass(disk.device, ["sha256"], { zeros: log.zeroFilled }), { sha256: sums(want).sha256 });
  });

  for (const code of ["EIO", "ENOMEM", "EINVAL", "EOVERFLOW", "EPERM", "ENOSPC", "ENOTSUP"]) {
    test(`read again after ${code}`, async () => {
      const disk = holed();
      failing(disk, 0, 1, code, 1);
      const log = await acquire(disk.device, new MemoryImage());
      assert.deepEqual([log.errors.map(({ offset, attempts, zeroFilled }) => [offset, attempts, zeroFilled]), log.hashes.sha256], [[[0, 1, 0]], sums(disk.bytes).sha256]);
    });
  }

  for (const code of ["DISCONNECTED", "CLOSED", "TIMEOUT", "IDENTITY", "ESHUTDOWN", "WORKER", "INTERNAL"]) {
    test(`end with ${code}, and go on`, async () => {
      const disk = holed(), image = new MemoryImage();
      failing(disk, 2 * MiB, 2 * MiB + 1, code);
      /** @type {any} */ let state;
      await assert.rejects(acquire(disk.device, image, { onState: (s) => { state = s; } }), { code });
      assert.deepEqual([state.offset, state.log.status, state.log.zeroFilled], [2 * MiB, "paused", []]);
      assert.match(state.log.sessions[0].ended, /the sector is bad/);
      disk.gate = async () => {};
      const log = await acquire(disk.device, image, { from: state });
      assert.deepEqual([log.hashes.sha256, log.sessions.length], [sums(disk.bytes).sha256, 2]);
      assert.ok(image.content.equals(disk.bytes));
    });
  }

  test("what is no failure of a server's ends them, too", async () => {
    const disk = holed();
    disk.gate = async () => { throw new NbdError("EIO", "the file is gone", {}, { stage: "client" }); };
    await assert.rejects(acquire(disk.device, new MemoryImage(), { skipHoles: false }), { code: "EIO", stage: "client" });
  });

  test("stop and go on from wherever it was, in both formats", async () => {
    for (const [format, after] of /** @type {const} */ ([["raw", 2 * MiB], ["zstd", 0], ["zstd", 8 * MiB]])) {
      const disk = holed(), image = new MemoryImage();
      const controller = new AbortController();
      disk.gate = async ({ name, offset }, when) => { if (name === "read" && when === "after" && offset >= after) controller.abort("enough"); };
      /** @type {any} */ let state;
      const stopped = acquire(disk.device, image, { format, hashes: names, signal: controller.signal, onState: async (s) => { state = JSON.stringify(s); } });
      await assert.rejects(stopped, (reason) => reason === "enough");
      image.content = Buffer.concat([image.content, Buffer.from("what no state knows")]);
      disk.gate = async () => {};
      assert.deepEqual((await acquire(disk.device, image, { from: JSON.parse(state) })).hashes, sums(disk.bytes));
      const back = await imageOf(format, deviceOver(image.content));
      assert.deepEqual(await pass(back, names), sums(disk.bytes));
      await back.close();
    }
  });

  test("a sink without room ends them, and leaves the state of before", async () => {
    const disk = holed(), image = new MemoryImage();
    /** @type {any[]} */ const states = [];
    const write = image.write.bind(image);
    image.write = async (bytes) => {
      if (image.content.length >= 2 * MiB) image.failure = new NbdError("ENOSPC", "no room", {}, { stage: "client" });
      await write(bytes);
    };
    await assert.rejects(acquire(disk.device, image, { onState: (s) => { states.push(s); } }), { code: "ENOSPC", stage: "client", message: /no room/ });
    assert.deepEqual(states, []); // none was due, and of a sink that fails there is none
  });

  test("states and facts that are none are refused before anything is cut", async () => {
    const disk = holed(), image = new MemoryImage();
    await image.write(Buffer.from("precious"));
    const controller = new AbortController();
    disk.gate = async ({ offset }, when) => { if (when === "after" && offset > MiB) controller.abort("enough"); };
    /** @type {any} */ let state;
    await assert.rejects(acquire(disk.device, new MemoryImage(), { signal: controller.signal, onState: (s) => { state = s; } }));
    disk.gate = async () => {};
    const changed = (/** @type {(s: any) => void} */ change) => {
      const copy = structuredClone(state);
      change(copy);
      return { from: copy };
    };
    for (const options of /** @type {any[]} */ ([
      { facts: { nobody: 1 } }, { facts: { tool: { name: 7 } } }, { connection: { encrypted: "yes" } },
      changed((s) => { s.offset++; }), changed((s) => { s.image.disk++; }), changed((s) => { s.hashes = {}; }), changed((s) => { s.hashes.sha256 = btoa("x"); }),
      changed((s) => { s.log.source.length++; }), changed((s) => { s.log.schema = "another"; }), changed((s) => { s.log.zeroFilled = [{ offset: -1, length: 1 }]; }),
    ])) await assert.rejects(acquire(disk.device, image, options), { code: "INVALID_ARGUMENT" }, JSON.stringify(options));
    assert.equal(image.content.toString(), "precious");
  });

  test("images that are damaged say so", async () => {
    const disk = holed(), image = new MemoryImage();
    await acquire(disk.device, image, { format: "zstd" });
    const broken = Uint8Array.from(image.content);
    broken[20] ^= 1;
    const back = await imageOf("zstd", deviceOver(broken));
    await assert.rejects(back.read(0, 10), { code: "DAMAGED" });
    await back.close();
    for (const bytes of [new Uint8Array(0), image.content.subarray(1), image.content.subarray(0, -1), new Uint8Array(64 * KiB)]) {
      await assert.rejects(imageOf("zstd", deviceOver(bytes)), { code: "DAMAGED" });
    }
  });

  test("nothing lives after them", async () => {
    const disk = holed();
    const alive = () => process.getActiveResourcesInfo().filter((name) => /Worker|MessagePort/.test(name)).length;
    const ended = async () => {
      for (const deadline = Date.now() + 20_000; alive() > 0 && Date.now() < deadline;) await new Promise((resolve) => setTimeout(resolve, 20));
      return alive() === 0;
    };
    assert.ok(await ended(), "those of the tests before");
    failing(disk, 0, 1, "DISCONNECTED");
    await assert.rejects(acquire(disk.device, new MemoryImage(), { hashes: names }));
    disk.gate = async () => {};
    await acquire(disk.device, new MemoryImage(), { hashes: names });
    assert.ok(await ended());
  });

  test("tell what is wrong with their files", async () => {
    const { device } = holed();
    for (const [files, code, message] of /** @type {[any, string, RegExp][]} */ ([
      [{ wasm: new URL("nbd.wasm", client) }, "WASM_LOAD", /another one/],
      [{ wasm: new URL("nothing.wasm", client) }, "WASM_LOAD", /nothing\.wasm could not be fetched/],
      [{ worker: new URL("worker.js", client) }, "WASM_LOAD", /another one/],
      [{ worker: new URL("nothing.js", client) }, "WASM_LOAD", /worker\.js could not be loaded/],
    ])) await assert.rejects(acquire(device, new MemoryImage(), files), { code, message });
    const wasm = await WebAssembly.compile(await readFile(new URL("acquire.wasm", client)));
    await acquire(device, new MemoryImage(), { wasm, worker: new URL("evidence/worker.js", client) });
  });
});
