// The hashes of the WASM program, in threads of Node 22, against those of Node.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { describe, test } from "node:test";
import { crc32 } from "node:zlib";
import { algorithms, hash } from "nbdbridge/copy";
import { MemoryDisk } from "../unit/memory-disk.js";

const MiB = 1 << 20;
const client = new URL("../../client/", import.meta.url);

/** A disk with a hole, of which its block status tells. */
function holed() {
  const disk = new MemoryDisk(9 * MiB + 12_345);
  disk.bytes.fill(0, 3 * MiB + 1, 8 * MiB);
  disk.extents = [
    { offset: 0, length: 3 * MiB + 1, type: "data" }, { offset: 3 * MiB + 1, length: 5 * MiB - 1, type: "hole" },
    { offset: 8 * MiB, length: MiB + 12_345, type: "data" },
  ];
  return disk;
}

/** @param {string} name @param {Uint8Array} bytes */
const sum = (name, bytes) => name === "crc32" ? crc32(bytes).toString(16).padStart(8, "0") : createHash(name).update(bytes).digest("hex");

/** @param {Uint8Array} bytes */
const sums = (bytes) => Object.fromEntries(algorithms.map((name) => [name, sum(name, bytes)]));

describe("hashes", () => {
  test("are those of Node, of anything", async () => {
    const disk = holed();
    assert.deepEqual(await hash(disk.device, algorithms), sums(disk.bytes));
    assert.deepEqual(await hash(new MemoryDisk(0).device, algorithms), sums(new Uint8Array(0)));
  });

  test("go on from wherever they stopped", async () => {
    const disk = holed();
    for (const after of [0, 2 * MiB, 8 * MiB]) {
      const controller = new AbortController();
      disk.gate = async ({ name, offset }, when) => { if (name === "read" && when === "after" && offset >= after) controller.abort("enough"); };
      /** @type {any} */ let state;
      await assert.rejects(hash(disk.device, algorithms, { signal: controller.signal, onState: (s) => { state = JSON.stringify(s); } }), (reason) => reason === "enough");
      disk.gate = async () => {};
      assert.deepEqual(await hash(disk.device, algorithms, { from: JSON.parse(state) }), sums(disk.bytes));
    }
  });

  test("refuse a state that is none", async () => {
    const { device } = holed();
    for (const name of algorithms) {
      const from = { offset: 0, size: device.size, hashes: { [name]: "0102" } };
      await assert.rejects(hash(device, [name], { from }), { code: "INVALID_ARGUMENT", message: new RegExp(`no state of ${name}`) });
    }
  });

  test("tell what is wrong with their files", async () => {
    const { device } = holed();
    const failures = /** @type {[any, string, RegExp][]} */ ([
      [{ wasm: new URL("nbd.wasm", client) }, "WASM_LOAD", /another program/],
      [{ wasm: new URL("nothing.wasm", client) }, "WASM_LOAD", /nothing\.wasm could not be fetched/],
      [{ wasm: new URL("index.js", client) }, "WASM_LOAD", /could not be compiled/],
      [{ worker: new URL("nothing.js", client) }, "WASM_LOAD", /worker\.js could not be loaded/],
    ]);
    for (const [files, code, message] of failures) await assert.rejects(hash(device, ["md5", "sha1"], files), { code, message });
    const wasm = await WebAssembly.compile(await readFile(new URL("evidence.wasm", client)));
    assert.deepEqual(await hash(device, ["md5"], { wasm, worker: new URL("worker.js", client) }), { md5: sum("md5", holed().bytes) });
  });
});
