import assert from "node:assert/strict";
import { test } from "node:test";
import { BlobReader, Uint8ArrayWriter, ZipReader } from "@zip.js/zip.js";
import { asBlobLike } from "../../client/views/index.js";
import { entries, makeZip } from "../formats.js";
import { MemoryDisk, deviceOver } from "./memory-disk.js";

/** @param {Blob | import("../../client/views/index.js").BlobLike} blob */
async function facts(blob) {
  const chunks = [];
  for await (const chunk of blob.stream()) chunks.push(chunk);
  const bytes = new Uint8Array(await blob.arrayBuffer());
  assert.deepEqual(new Uint8Array(Buffer.concat(chunks)), bytes);
  return { size: blob.size, type: blob.type, text: await blob.text(), bytes, tag: Object.prototype.toString.call(blob) };
}

test("it is sliced and read like a Blob of the same content", async () => {
  const disk = new MemoryDisk(300);
  disk.bytes.set(new TextEncoder().encode("\ufeffgrüße"));
  /** @type {[Blob, import("../../client/views/index.js").BlobLike]} */
  const whole = [new Blob([disk.bytes], { type: "Image/TIFF" }), asBlobLike(disk.device, { type: "Image/TIFF" })];
  assert.deepEqual(await facts(whole[1]), await facts(whole[0]));
  /** @type {any[][]} */
  const slices = [[], [0], [10], [10, 20], [-10], [-10, -5], [5, 2], [400], [0, 400], [-400, 3], [undefined, 7], [1, 2, "Text/Plain"], [1, 2, "caf\u00e9"], [0, 0, "a\nb"]];
  for (const given of slices) {
    const [a, b] = whole.map((blob) => blob.slice(...given));
    assert.deepEqual(await facts(b), await facts(a), String(given));
    for (const again of slices) assert.deepEqual(await facts(b.slice(...again)), await facts(a.slice(...again)), `${given} / ${again}`);
  }
  for (const given of [[NaN, 7], [-Infinity, 7.5], [-1 / 3, 7]]) assert.deepEqual(await whole[1].slice(...given).bytes(), disk.bytes.slice(0, 7)); // Node's ends the process
  assert.deepEqual(await whole[1].slice(3, 9).bytes(), disk.bytes.slice(3, 9));
});

test("a slice reads nothing until it is asked, and then no more than itself", async () => {
  const disk = new MemoryDisk(5000);
  const part = asBlobLike(disk.device).slice(1000, 3000).slice(-500);
  assert.deepEqual([part.size, disk.asked()], [500, []]);
  await part.arrayBuffer();
  for await (const _ of part.stream());
  assert.deepEqual(disk.asked(), ["read 2500+500", "read 2500+500"]);
});

test("what a read fails with is told", async () => {
  const disk = new MemoryDisk(5000);
  const blob = asBlobLike(disk.device);
  await disk.device.close();
  for (const read of [() => blob.text(), () => blob.arrayBuffer(), () => blob.bytes(), () => blob.stream().getReader().read()]) await assert.rejects(read(), { code: "CLOSED" });
});

test("where it would be taken for text it throws", async () => {
  const disk = new MemoryDisk(5000);
  const blob = /** @type {any} */ (asBlobLike(disk.device, { type: "image/tiff" }));
  for (const use of [() => new Blob([blob]), () => `${blob}`, () => blob + ""]) assert.throws(use, { code: "INVALID_ARGUMENT" }, String(use));
  assert.throws(() => URL.createObjectURL(blob), TypeError);
  assert.equal(blob instanceof Blob, false);
  const response = new Response(blob); // Node's does not ask instanceof
  assert.deepEqual([response.headers.get("content-type"), new Uint8Array(await response.arrayBuffer())], ["image/tiff", disk.bytes]);
});

test("options are checked", () => {
  const { device } = new MemoryDisk(1);
  for (const options of /** @type {any[]} */ ([{ type: 7 }, { Type: "x" }])) assert.throws(() => asBlobLike(device, options), { code: "INVALID_ARGUMENT" });
  assert.throws(() => asBlobLike(/** @type {any} */ (new Blob())), { code: "INVALID_ARGUMENT" });
});

test("zip.js reads it as a Blob", async () => {
  const zip = new ZipReader(new BlobReader(/** @type {Blob} */ (asBlobLike(deviceOver(await makeZip())))), { useWebWorkers: false });
  for (const entry of await zip.getEntries()) {
    if (entry.directory) continue;
    assert.deepEqual(await entry.getData(new Uint8ArrayWriter()), entries[/** @type {keyof typeof entries} */ (entry.filename)]);
  }
});
