// What the bytes at the cursor would mean, read as one thing or another.

/** Bytes that meanings() looks at, at most. */
export const reach = 64;

const none = "—";

/**
 * @typedef {object} Meaning
 * @property {string} label
 * @property {string} little read with the low byte first
 * @property {string} [big] read with the high byte first; absent where the order means nothing
 */

/** @typedef {(view: DataView, little: boolean) => string} Read */

/** @type {readonly [label: string, bytes: number, read: Read][]} */
const numbers = [
  ["Signed 8 bits", 1, (v) => String(v.getInt8(0))],
  ["Unsigned 8 bits", 1, (v) => String(v.getUint8(0))],
  ["Signed 16 bits", 2, (v, le) => String(v.getInt16(0, le))],
  ["Unsigned 16 bits", 2, (v, le) => String(v.getUint16(0, le))],
  ["Signed 32 bits", 4, (v, le) => String(v.getInt32(0, le))],
  ["Unsigned 32 bits", 4, (v, le) => String(v.getUint32(0, le))],
  ["Signed 64 bits", 8, (v, le) => String(v.getBigInt64(0, le))],
  ["Unsigned 64 bits", 8, (v, le) => String(v.getBigUint64(0, le))],
  ["Float 32 bits", 4, (v, le) => floatText(v.getFloat32(0, le))],
  ["Float 64 bits", 8, (v, le) => floatText(v.getFloat64(0, le))],
  ["UNIX time, 32 bits", 4, (v, le) => moment(v.getInt32(0, le) * 1000)],
  ["UNIX time, 64 bits", 8, (v, le) => moment(Number(v.getBigInt64(0, le)) * 1000)],
  ["FILETIME", 8, (v, le) => fileTime(v.getBigUint64(0, le))],
  ["DOS date and time", 4, (v, le) => dosTime(v.getUint16(le ? 2 : 0, le), v.getUint16(le ? 0 : 2, le))],
  ["GUID", 16, (v, le) => guid(new Uint8Array(v.buffer, v.byteOffset, 16), le)],
];

/**
 * @param {Uint8Array} bytes from the cursor on; fewer than reach at the end of
 *   a disk, or where no more could be read
 * @returns {Meaning[]}
 */
export function meanings(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const made = numbers.map(([label, need, read]) => {
    const value = (/** @type {boolean} */ little) => need <= bytes.length ? read(view, little) : none;
    return need === 1 ? { label, little: value(true) } : { label, little: value(true), big: value(false) };
  });
  return [...made, { label: "ASCII", little: asciiText(bytes) }, { label: "UTF-16", little: wideText(bytes, true), big: wideText(bytes, false) }];
}

/** @param {number} value */
function floatText(value) {
  return Number.isFinite(value) && value !== 0 && (Math.abs(value) >= 1e21 || Math.abs(value) < 1e-6) ? value.toExponential(8) : String(value);
}

/** @param {number} milliseconds since 1970, in UTC */
function moment(milliseconds) {
  const date = new Date(milliseconds);
  return Number.isNaN(date.getTime()) ? none : date.toISOString().replace("T", " ").replace(/(\.000)?Z$/, " UTC");
}

/** Tenths of microseconds since 1601. @param {bigint} ticks */
export function fileTime(ticks) {
  return moment(Number(ticks / 10_000n) - 11_644_473_600_000);
}

/**
 * A DOS time knows no zone, and counts seconds in twos.
 * @param {number} date
 * @param {number} time
 */
export function dosTime(date, time) {
  const [day, month, year] = [date & 31, date >> 5 & 15, 1980 + (date >> 9)];
  const [second, minute, hour] = [(time & 31) * 2, time >> 5 & 63, time >> 11];
  if (day < 1 || month < 1 || month > 12 || hour > 23 || minute > 59 || second > 59) return none;
  const two = (/** @type {number} */ n) => String(n).padStart(2, "0");
  return `${year}-${two(month)}-${two(day)} ${two(hour)}:${two(minute)}:${two(second)}`;
}

/**
 * @param {Uint8Array} bytes 16 of them
 * @param {boolean} mixed as Microsoft and GPT have it: the first three groups
 *   with the low byte first
 */
export function guid(bytes, mixed) {
  const order = mixed ? [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15] : [...bytes.keys()];
  const hex = order.map((i) => bytes[i].toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

/** What is printable, up to the first byte that is not. @param {Uint8Array} bytes */
function asciiText(bytes) {
  const end = bytes.findIndex((b) => b < 0x20 || b > 0x7e);
  return String.fromCharCode(...bytes.subarray(0, end < 0 ? bytes.length : end)) || none;
}

/** @param {Uint8Array} bytes @param {boolean} little */
function wideText(bytes, little) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let text = "";
  for (let at = 0; at + 2 <= bytes.length; at += 2) {
    const unit = view.getUint16(at, little);
    if (unit < 0x20 || (unit >= 0x7f && unit < 0xa0)) break;
    text += String.fromCharCode(unit);
  }
  return text.toWellFormed().replace(/[\uFFFD].*$/su, "") || none;
}
