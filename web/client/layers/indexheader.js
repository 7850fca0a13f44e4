import { NbdError } from "../errors.js";
import { crc32 } from "../storage/crc32.js";

/** @typedef {import("../storage/file.js").StoreFile} StoreFile */

/**
 * What a store was made for.
 * @typedef {{size: number, blockSize: number, identity: string | undefined}} Facts
 */

/** @typedef {{generation: number, snapshotEnd: number, facts: Facts}} Header */

/**
 * Bytes of a header, little-endian: magic 0, version 8 (u32), CRC-32 of all
 * with this field 0 at 12 (u32); generation 16, size of the device 24, block
 * size 32, snapshotEnd 40 (float64 all four); length of the identity 48 (u32,
 * 2^32-1 for none) and from 52 on the identity in UTF-8. The rest is 0.
 */
export const headerArea = 4096;
const magic = "nbd-ovl\n";
const version = 1;
const noIdentity = 0xffffffff;

/** What an identity may take, in bytes of UTF-8. */
export const longestIdentity = headerArea - 52;

/**
 * @param {StoreFile} file
 * @param {string} what for messages
 * @returns {Promise<Header | undefined>} nothing if there is no good one
 */
export async function readHeader(file, what) {
  const bytes = await file.read(0, headerArea);
  if (bytes.length < headerArea || new TextDecoder().decode(bytes.subarray(0, 8)) !== magic) return undefined;
  const view = new DataView(bytes.buffer);
  const sum = view.getUint32(12, true);
  view.setUint32(12, 0, true);
  if (crc32(bytes) !== sum) return undefined;
  if (view.getUint32(8, true) !== version) throw new NbdError("ENOTSUP", `${what} was written by another version of this client (format ${view.getUint32(8, true)}, this one knows ${version}). Open it with that version.`, {}, { stage: "client" });
  const [generation, size, blockSize, snapshotEnd] = [16, 24, 32, 40].map((at) => view.getFloat64(at, true));
  const length = view.getUint32(48, true);
  const identity = length === noIdentity ? undefined : new TextDecoder().decode(bytes.subarray(52, 52 + length));
  return { generation, snapshotEnd, facts: { size, blockSize, identity } };
}

/**
 * Writes a header that is durable when it fulfils, or zeros in its place.
 * @param {StoreFile} file
 * @param {Header | undefined} header
 */
export async function writeHeader(file, header) {
  await file.write(0, header ? encode(header) : new Uint8Array(headerArea));
  await file.flush();
}

/** @param {Header} header */
function encode({ generation, snapshotEnd, facts: { size, blockSize, identity } }) {
  const bytes = new Uint8Array(headerArea);
  const view = new DataView(bytes.buffer);
  const name = new TextEncoder().encode(identity);
  bytes.set(new TextEncoder().encode(magic));
  view.setUint32(8, version, true);
  for (const [i, value] of [generation, size, blockSize, snapshotEnd].entries()) view.setFloat64(16 + 8 * i, value, true);
  view.setUint32(48, identity === undefined ? noIdentity : name.length, true);
  bytes.set(name, 52);
  view.setUint32(12, crc32(bytes), true);
  return bytes;
}
