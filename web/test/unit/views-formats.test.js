// Each view under the library that it is for, and its types against theirs.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Uint8ArrayWriter, ZipReader } from "@zip.js/zip.js";
import { GeoTIFF } from "geotiff";
import { parquetMetadataAsync, parquetReadObjects } from "hyparquet";
import { region } from "../../client/layers/index.js";
import { asBlobLike, asGeotiffSource, asRandomAccessStorage, asZipReader, readableOf } from "../../client/views/index.js";
import { entries, lay, makeParquet, makeTiff, makeZip, picture, pixel, row, rows } from "../formats.js";
import { MemoryDisk, deviceOver } from "./memory-disk.js";

/** @typedef {import("../../client/device.js").Device} Device */

/** @param {Device} device @returns {import("hyparquet").AsyncBuffer} */
export const isAsyncBuffer = (device) => device;
/** @param {Device} device @returns {import("@zip.js/zip.js").Reader<unknown>} */
export const isZipReader = (device) => asZipReader(device);
/** @param {Device} device @returns {Parameters<typeof GeoTIFF.fromSource>[0]} */
export const isGeotiffSource = (device) => asGeotiffSource(device);
/** @param {Device} device @returns {Blob} */
export const isBlob = (device) => asBlobLike(device);
/** @param {Device} device @returns {BodyInit} */
export const isBody = (device) => readableOf(device);
/**
 * Reads give a Buffer only where there are any.
 * @param {Device} device
 * @returns {Omit<import("random-access-storage"), "read" | `_${string}` | keyof import("node:events").EventEmitter>}
 */
export const isStorage = (device) => asRandomAccessStorage(device);

const files = { tiff: makeTiff(), parquet: makeParquet(), zip: await makeZip() };
const { disk, places } = lay(2 << 20, files);

/** @param {GeoTIFF} tiff */
async function checkTiff(tiff) {
  const image = await tiff.getImage();
  assert.deepEqual([image.getWidth(), image.getHeight(), image.getOrigin().slice(0, 2)], [picture.width, picture.height, [10, 50]]);
  const [x, y, right, bottom] = [100, 50, 140, 53];
  const window = await image.readRasters({ window: [x, y, right, bottom], interleave: true });
  const want = Array.from({ length: (right - x) * (bottom - y) }, (_, i) => pixel(x + i % (right - x), y + Math.floor(i / (right - x))));
  assert.deepEqual([...window], want);
}

/** @param {import("hyparquet").AsyncBuffer} file */
async function checkParquet(file) {
  assert.equal(Number((await parquetMetadataAsync(file)).num_rows), rows);
  const got = await parquetReadObjects({ file, rowStart: 7000, rowEnd: 7003, columns: ["id", "name", "share"] });
  assert.deepEqual(got, [row(7000), row(7001), row(7002)]);
}

/** @param {import("@zip.js/zip.js").Reader<unknown>} reader */
async function checkZip(reader) {
  const zip = new ZipReader(reader, { useWebWorkers: false });
  const all = await zip.getEntries();
  assert.deepEqual(all.map((e) => e.filename), Object.keys(entries));
  for (const entry of all) assert.ok(!entry.directory && Buffer.from(await entry.getData(new Uint8ArrayWriter(), { checkSignature: true })).equals(entries[/** @type {keyof typeof entries} */ (entry.filename)]));
  await zip.close();
}

for (const [where, deviceOf] of /** @type {[string, (name: keyof typeof files) => Device][]} */ ([
  ["raw on a disk", (name) => deviceOver(files[name])],
  ["in a region", (name) => region(deviceOver(disk), places[name])],
])) {
  test(`geotiff reads a GeoTIFF ${where}`, async () => checkTiff(await GeoTIFF.fromSource(asGeotiffSource(deviceOf("tiff")))));
  test(`hyparquet reads a Parquet file ${where}`, () => checkParquet(deviceOf("parquet")));
  test(`zip.js reads a zip file ${where}`, () => checkZip(asZipReader(deviceOf("zip"))));
}

test("geotiff reads a GeoTIFF on a disk that is longer", async () => {
  await checkTiff(await GeoTIFF.fromSource(asGeotiffSource(region(deviceOver(disk), { offset: places.tiff.offset, length: disk.length - places.tiff.offset }))));
});

test("geotiff reads only what it needs, and aborts", async () => {
  const device = new MemoryDisk(files.tiff.length);
  device.bytes = files.tiff;
  const tiff = await GeoTIFF.fromSource(asGeotiffSource(device.device));
  const image = await tiff.getImage();
  assert.ok(device.log.reduce((sum, { length }) => sum + length, 0) < 20_000);
  const controller = new AbortController();
  device.gate = () => new Promise(() => {});
  const reading = image.readRasters({ signal: controller.signal });
  controller.abort();
  await assert.rejects(reading, { name: /Abort/ });
  await tiff.close();
  assert.equal(device.closes, 1);
});

test("a source of geotiff ends where the device does", async () => {
  const disk = new MemoryDisk(1000);
  const source = asGeotiffSource(disk.device);
  assert.deepEqual((await source.fetch([{ offset: 990, length: 1024 }, { offset: 5, length: 3 }, { offset: 2000, length: 4 }])).map((b) => [...new Uint8Array(b)]), [[...disk.bytes.slice(990)], [...disk.bytes.slice(5, 8)], []]);
  const { offset, length, data } = await source.fetchSlice({ offset: 990, length: 1024 });
  assert.deepEqual([offset, length, data.byteLength, source.fileSize], [990, 10, 10, 1000]);
  await assert.rejects(source.fetch([{ offset: -1, length: 1 }]), { code: "INVALID_ARGUMENT" });
  await assert.rejects(source.fetch([{ offset: 0, length: 1 }], AbortSignal.abort("enough")), (e) => e === "enough");
});

test("a reader of zip.js reads no more than it is asked for, and ends where the device does", async () => {
  const disk = new MemoryDisk(1000);
  const reader = asZipReader(disk.device);
  assert.deepEqual(await reader.readUint8Array(990, 30), disk.bytes.slice(990));
  assert.deepEqual(await reader.readUint8Array(1001, 30), new Uint8Array());
  await assert.rejects(reader.readUint8Array(-1, 3), { code: "INVALID_ARGUMENT" });
  const chunks = [];
  for await (const chunk of reader.createReadable({ offset: 100, size: 25, chunkSize: 10 })) chunks.push([...chunk]);
  assert.deepEqual(chunks, [[100, 110], [110, 120], [120, 125]].map(([a, b]) => [...disk.bytes.slice(a, b)]));
  assert.deepEqual(disk.asked(), ["read 990+10", "read 100+10", "read 110+10", "read 120+5"]);
  assert.deepEqual(new Uint8Array(await new Response(reader.readable).arrayBuffer()), disk.bytes);
  assert.equal(disk.closes, 0);
});

test("what is found from the end needs the end: a disk that is longer is refused", async () => {
  await assert.rejects(checkZip(asZipReader(deviceOver(disk))), /End of central directory/);
  await assert.rejects(checkParquet(deviceOver(disk)), /parquet/);
});
