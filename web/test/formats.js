// Files in formats whose libraries read them piece by piece, and disks that
// hold them.
import { ZipWriter, Uint8ArrayReader, Uint8ArrayWriter } from "@zip.js/zip.js";
import { writeArrayBuffer } from "geotiff";
import { parquetWriteBuffer } from "hyparquet-writer";

export const picture = { width: 512, height: 400 };
/** @param {number} x @param {number} y */
export const pixel = (x, y) => (x * 7 + y * 131) % 65536;

/** A GeoTIFF of one band. */
export function makeTiff() {
  const { width, height } = picture;
  const values = Uint16Array.from({ length: width * height }, (_, i) => pixel(i % width, Math.floor(i / width)));
  return new Uint8Array(writeArrayBuffer(values, { width, height, ModelPixelScale: [0.5, 0.25, 0], ModelTiepoint: [0, 0, 0, 10, 50, 0], GeographicTypeGeoKey: 4326, GTModelTypeGeoKey: 2 }));
}

export const rows = 20_000;
/** @param {number} i */
export const row = (i) => ({ id: i, name: `row ${i * 37}`, share: i / 8 });

/** A Parquet file of several groups of rows. */
export function makeParquet() {
  const all = Array.from({ length: rows }, (_, i) => row(i));
  const column = (/** @type {"id" | "name" | "share"} */ name, /** @type {"INT32" | "STRING" | "DOUBLE"} */ type) => ({ name, type, data: all.map((r) => r[name]) });
  return new Uint8Array(parquetWriteBuffer({ columnData: [column("id", "INT32"), column("name", "STRING"), column("share", "DOUBLE")], rowGroupSize: 5000 }));
}

const noise = Uint8Array.from({ length: 700_000 }, (_, i) => Math.imul(i + 1, 2654435761) >>> 13);
/** What a zip file holds, by name. */
export const entries = {
  "noise.bin": noise,
  "docs/words.txt": new TextEncoder().encode("to be, or not to be\n".repeat(3000)),
};

/** A zip file: what is in it is stored, or compressed. */
export async function makeZip() {
  const zip = new ZipWriter(new Uint8ArrayWriter(), { useWebWorkers: false });
  for (const [name, bytes] of Object.entries(entries)) await zip.add(name, new Uint8ArrayReader(bytes), { level: name.endsWith(".bin") ? 0 : 6 });
  return zip.close();
}

/**
 * A disk that holds files at offsets of no alignment, and something else around.
 * @param {number} size
 * @param {Record<string, Uint8Array>} files
 */
export function lay(size, files) {
  const disk = new Uint8Array(size).fill(0xa5);
  /** @type {Record<string, {offset: number, length: number}>} */ const places = {};
  let at = 777;
  for (const [name, bytes] of Object.entries(files)) {
    disk.set(bytes, at);
    places[name] = { offset: at, length: bytes.length };
    at += bytes.length + 4321;
  }
  return { disk, places };
}
