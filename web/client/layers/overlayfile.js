import { NbdError, invalid } from "../errors.js";
import { crc32 } from "../storage/crc32.js";
import { ByteReader } from "../storage/bytereader.js";

/** @typedef {import("../ranges.js").Extent} Extent */

/**
 * An overlay as a file: what differs from the device, and nothing else.
 * Numbers are little-endian. First comes a header:
 *
 *     0  magic "nbd-ovf\n"
 *     8  version (u32), 1
 *    12  length of the identity (u32), 2^32-1 for none
 *    16  size of the device in bytes (float64)
 *    24  the identity in UTF-8, and the CRC-32 of all before it (u32)
 *
 * Then come records, in the order of their offsets, which don't overlap:
 *
 *     0  CRC-32 (u32) of what follows, continued from the sum before it
 *     4  type (u32): 1 data, 2 zeros, 3 the end
 *     8  offset (float64)
 *    16  length (float64), of data at most 1 MiB
 *    24  the bytes of data
 *
 * The last one is of the type "end", with the number of the others as offset
 * and the sum of their lengths as length; nothing comes after it.
 *
 * @typedef {{size: number, identity: string | undefined}} Origin
 */

/** @typedef {{offset: number, length: number, bytes?: Uint8Array<ArrayBuffer>}} Change no bytes for zeros */

const magic = "nbd-ovf\n";
const version = 1;
const noIdentity = 0xffffffff;
const longestIdentity = 1 << 16;
const headBytes = 24;
const types = { data: 1, zero: 2, end: 3 };
/** Bytes of data in one record at most. */
export const longestData = 1 << 20;

/**
 * @param {Origin} origin
 * @param {Extent[]} extents in order
 * @param {(offset: number, length: number) => Promise<Uint8Array>} read
 * @returns {AsyncGenerator<Uint8Array<ArrayBuffer>, void>}
 */
export async function* encode(origin, extents, read) {
  const { bytes, sum } = header(origin);
  yield bytes;
  let last = sum, count = 0, total = 0;
  for (const { type, offset, length } of extents) {
    const step = type === "data" ? longestData : length;
    for (let at = offset; at < offset + length; at += step, count++) {
      const part = Math.min(step, offset + length - at);
      const made = record(last, types[type === "data" ? "data" : "zero"], at, part, type === "data" ? await read(at, part) : undefined);
      last = made.sum;
      total += part;
      yield made.bytes;
    }
  }
  yield record(last, types.end, count, total).bytes;
}

/** @param {Origin} origin */
function header({ size, identity }) {
  const name = new TextEncoder().encode(identity);
  const bytes = new Uint8Array(headBytes + name.length + 4);
  const view = new DataView(bytes.buffer);
  bytes.set(new TextEncoder().encode(magic));
  view.setUint32(8, version, true);
  view.setUint32(12, identity === undefined ? noIdentity : name.length, true);
  view.setFloat64(16, size, true);
  bytes.set(name, headBytes);
  const sum = crc32(bytes.subarray(0, -4));
  view.setUint32(bytes.length - 4, sum, true);
  return { bytes, sum };
}

/**
 * @param {number} before
 * @param {number} type
 * @param {number} offset
 * @param {number} length
 * @param {Uint8Array} [data]
 */
function record(before, type, offset, length, data = new Uint8Array(0)) {
  const bytes = new Uint8Array(headBytes + data.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(4, type, true);
  view.setFloat64(8, offset, true);
  view.setFloat64(16, length, true);
  bytes.set(data, headBytes);
  const sum = crc32(bytes.subarray(4), before);
  view.setUint32(0, sum, true);
  return { bytes, sum };
}

/**
 * Reads a file. All that it gives was checked, and it ends well only at the end
 * of a whole file.
 * @param {Blob} file
 * @param {Origin} device
 * @returns {AsyncGenerator<Change, void>} rejects with INVALID_ARGUMENT for what
 *   is no good file, IDENTITY for one of another device
 */
export async function* decode(file, device) {
  const reader = new ByteReader(file.stream());
  try {
    let sum = compare(await readHeader(reader), device);
    for (let count = 0, total = 0, at = 0; ; count++) {
      const head = await reader.take(headBytes) ?? refuse("it is cut short");
      const view = new DataView(head.buffer);
      const [type, offset, length] = [view.getUint32(4, true), view.getFloat64(8, true), view.getFloat64(16, true)];
      const bytes = type !== types.data ? undefined
        : await reader.take(length > 0 && length <= longestData ? length : refuse("a length can't be")) ?? refuse("it is cut short");
      sum = crc32(bytes ?? new Uint8Array(0), crc32(head.subarray(4), sum));
      if (sum !== view.getUint32(0, true)) refuse("a checksum is wrong");
      if (type === types.end) return void (offset === count && length === total && !await reader.take(1) || refuse("its end is wrong"));
      if (!(Number.isInteger(offset) && Number.isInteger(length) && offset >= at && length > 0 && offset + length <= device.size) || (type !== types.data && type !== types.zero)) refuse("a record can't be");
      at = offset + length;
      total += length;
      yield { offset, length, bytes };
    }
  } finally {
    await reader.end();
  }
}

/** @param {ByteReader} reader */
async function readHeader(reader) {
  const head = await reader.take(headBytes);
  if (!head || new TextDecoder().decode(head.subarray(0, 8)) !== magic) throw invalid("The file can't be imported: it is no overlay that was exported.");
  const view = new DataView(head.buffer);
  if (view.getUint32(8, true) !== version) throw new NbdError("ENOTSUP", `The file can't be imported: it is of version ${view.getUint32(8, true)}, and this client knows version ${version}. Use a newer one.`, {}, { stage: "client" });
  const length = view.getUint32(12, true);
  if (length !== noIdentity && length > longestIdentity) refuse("its identity is too long");
  const rest = await reader.take((length === noIdentity ? 0 : length) + 4) ?? refuse("it is cut short");
  const name = rest.subarray(0, -4);
  const sum = crc32(name, crc32(head));
  if (sum !== new DataView(rest.buffer).getUint32(name.length, true)) refuse("a checksum is wrong");
  return { sum, size: view.getFloat64(16, true), identity: length === noIdentity ? undefined : new TextDecoder().decode(name) };
}

/**
 * @param {Origin & {sum: number}} was
 * @param {Origin} is
 */
function compare({ sum, size, identity }, is) {
  if (size !== is.size) throw new NbdError("IDENTITY", `The file can't be imported: it is of a device of ${size} bytes, and this one has ${is.size}.`);
  if (identity !== undefined && is.identity !== undefined && identity !== is.identity) throw new NbdError("IDENTITY", `The file can't be imported: it is of ${identity}, and this device is ${is.identity}.`);
  return sum;
}

/** @param {string} why @returns {never} */
function refuse(why) {
  throw invalid(`The file can't be imported: it is damaged (${why}). Nothing was changed; export it again.`);
}
