// Structures as tables of fields: where each lies, what it is called, and how
// its bytes are to be read.
import { fileTime, guid } from "../bytes/meanings.js";

/**
 * How a field is read: "u" a number with the low byte first, "U" with the high
 * byte first, "x" the same as "u" but told in hexadecimal, "text", "wide" for
 * UTF-16, "guid" with mixed order, "uuid" in order, "time" for seconds since
 * 1970, "bytes" for what has no value to tell.
 * @typedef {"u" | "U" | "x" | "text" | "wide" | "guid" | "uuid" | "time" | "filetime" | "bytes"} Kind
 */

/** @typedef {readonly [offset: number, length: number, name: string, kind: Kind]} FieldSpec */

/**
 * @typedef {object} Field
 * @property {number} offset on the disk, in bytes
 * @property {number} length in bytes
 * @property {string} name
 * @property {string} value empty where there is none to tell
 */

/**
 * @typedef {object} Structure
 * @property {string} name such as "GPT header"
 * @property {number} offset on the disk, in bytes
 * @property {number} length in bytes
 * @property {Field[]} fields in order of offset, within the structure, none over another
 */

/**
 * @param {string} name
 * @param {Uint8Array} bytes of the structure, whole
 * @param {number} offset on the disk
 * @param {readonly FieldSpec[]} specs
 * @returns {Structure}
 */
export function structure(name, bytes, offset, specs) {
  const fields = specs.filter(([at, length]) => at + length <= bytes.length)
    .map(([at, length, title, kind]) => ({ offset: offset + at, length, name: title, value: valueOf(bytes.subarray(at, at + length), kind) }));
  return { name, offset, length: bytes.length, fields };
}

/** @param {Uint8Array} bytes @param {Kind} kind */
function valueOf(bytes, kind) {
  switch (kind) {
    case "u": return number(bytes, true).toString();
    case "U": return number(bytes, false).toString();
    case "x": return `0x${number(bytes, true).toString(16).padStart(bytes.length * 2, "0")}`;
    case "text": return plainText(bytes);
    case "wide": return new TextDecoder("utf-16le").decode(bytes).replace(/\0.*$/su, "");
    case "guid": return guid(bytes, true);
    case "uuid": return guid(bytes, false);
    case "time": return timeText(Number(number(bytes, true)));
    case "filetime": return fileTime(number(bytes, true));
    default: return "";
  }
}

/** @param {Uint8Array} bytes @param {boolean} little */
export function number(bytes, little) {
  let n = 0n;
  for (const byte of little ? bytes.toReversed() : bytes) n = n << 8n | BigInt(byte);
  return n;
}

/** Up to the first NUL; other bytes than ASCII as dots. @param {Uint8Array} bytes */
function plainText(bytes) {
  const end = bytes.indexOf(0);
  const shown = [...end < 0 ? bytes : bytes.subarray(0, end)];
  return shown.map((b) => b >= 0x20 && b < 0x7f ? String.fromCharCode(b) : ".").join("").trimEnd();
}

/** @param {number} seconds since 1970 */
function timeText(seconds) {
  const date = new Date(seconds * 1000);
  if (seconds === 0) return "never";
  return Number.isNaN(date.getTime()) ? String(seconds) : date.toISOString().replace("T", " ").replace(".000Z", " UTC");
}

/**
 * Whether ASCII stands at a place.
 * @param {Uint8Array} bytes
 * @param {number} at
 * @param {string} text
 */
export function says(bytes, at, text) {
  return at + text.length <= bytes.length && [...text].every((c, i) => bytes[at + i] === c.charCodeAt(0));
}
