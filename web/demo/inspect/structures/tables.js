// Partition tables, field by field.
import { number, says, structure } from "./fields.js";

/** @typedef {import("./fields.js").FieldSpec} FieldSpec */
/** @typedef {import("./fields.js").Structure} Structure */

/** @param {number} n counted from 1 @returns {FieldSpec[]} */
function mbrEntry(n) {
  const at = 446 + (n - 1) * 16;
  return [
    [at, 1, `Entry ${n}: status`, "x"], [at + 1, 3, `Entry ${n}: first sector, CHS`, "bytes"],
    [at + 4, 1, `Entry ${n}: type`, "x"], [at + 5, 3, `Entry ${n}: last sector, CHS`, "bytes"],
    [at + 8, 4, `Entry ${n}: first sector`, "u"], [at + 12, 4, `Entry ${n}: sectors`, "u"],
  ];
}

/** @type {FieldSpec[]} */
const mbrFields = [
  [0, 440, "Boot code", "bytes"], [440, 4, "Disk signature", "x"], [444, 2, "Reserved", "bytes"],
  ...mbrEntry(1), ...mbrEntry(2), ...mbrEntry(3), ...mbrEntry(4),
  [510, 2, "Boot signature", "x"],
];

/** @type {FieldSpec[]} */
const gptFields = [
  [0, 8, "Signature", "text"], [8, 4, "Revision", "x"], [12, 4, "Header size", "u"], [16, 4, "Header CRC-32", "x"],
  [20, 4, "Reserved", "bytes"], [24, 8, "This header’s sector", "u"], [32, 8, "Other header’s sector", "u"],
  [40, 8, "First usable sector", "u"], [48, 8, "Last usable sector", "u"], [56, 16, "Disk GUID", "guid"],
  [72, 8, "First sector of entries", "u"], [80, 4, "Number of entries", "u"], [84, 4, "Entry size", "u"], [88, 4, "Entries CRC-32", "x"],
];

/** @type {FieldSpec[]} */
const gptEntryFields = [
  [0, 16, "Type GUID", "guid"], [16, 16, "Partition GUID", "guid"], [32, 8, "First sector", "u"],
  [40, 8, "Last sector", "u"], [48, 8, "Attributes", "x"], [56, 72, "Name", "wide"],
];

/** Whether a sector ends in 55 AA. @param {Uint8Array} sector */
export function hasBootSignature(sector) {
  return sector.length >= 512 && sector[510] === 0x55 && sector[511] === 0xaa;
}

/** @param {Uint8Array} sector @param {number} offset @returns {Structure[]} */
export function mbrIn(sector, offset) {
  return hasBootSignature(sector) && hasTable(sector) ? [structure("MBR", sector.subarray(0, 512), offset, mbrFields)] : [];
}

/** Whether what stands where the table would is one, with at least one partition. @param {Uint8Array} sector */
function hasTable(sector) {
  const entries = [446, 462, 478, 494].map((at) => sector.subarray(at, at + 16));
  const used = entries.filter((e) => e[4] !== 0 && number(e.subarray(12, 16), true) > 0n);
  return used.length > 0 && entries.every((e) => e[0] === 0 || e[0] === 0x80);
}

/**
 * A header, and the entries that follow it in the same bytes.
 * @param {Uint8Array} bytes from the header on
 * @param {number} offset
 * @returns {Structure[]}
 */
export function gptIn(bytes, offset) {
  if (!says(bytes, 0, "EFI PART") || bytes.length < 92) return [];
  return [structure("GPT header", bytes.subarray(0, 92), offset, gptFields), ...entriesAfter(bytes, offset)];
}

/** @param {Uint8Array} bytes @param {number} offset */
function entriesAfter(bytes, offset) {
  const sector = number(bytes.subarray(24, 32), true);
  const apart = Number(number(bytes.subarray(72, 80), true) - sector) * 512;
  const size = Number(number(bytes.subarray(84, 88), true));
  const found = /** @type {Structure[]} */ ([]);
  if (apart < 512 || size < 128) return found;
  for (let at = apart, n = 1; at + size <= bytes.length; at += size, n++) {
    const entry = bytes.subarray(at, at + 128);
    if (entry.some((b) => b !== 0)) found.push(structure(`GPT entry ${n}`, entry, offset + at, gptEntryFields));
  }
  return found;
}
