// The first structures of file systems, field by field.
import { number, says, structure } from "./fields.js";
import { hasBootSignature } from "./tables.js";

/** @typedef {import("./fields.js").FieldSpec} FieldSpec */
/** @typedef {import("./fields.js").Structure} Structure */

/** What boot sectors of Microsoft begin with. @type {FieldSpec[]} */
const bootFields = [
  [0, 3, "Jump to the boot code", "bytes"], [3, 8, "Made by", "text"], [11, 2, "Bytes per sector", "u"], [13, 1, "Sectors per cluster", "u"],
  [14, 2, "Reserved sectors", "u"], [16, 1, "Number of FATs", "u"], [17, 2, "Root entries", "u"], [19, 2, "Sectors, 16 bits", "u"],
  [21, 1, "Media", "x"], [22, 2, "Sectors per FAT, 16 bits", "u"], [24, 2, "Sectors per track", "u"], [26, 2, "Heads", "u"],
  [28, 4, "Hidden sectors", "u"], [32, 4, "Sectors, 32 bits", "u"],
];

/** @type {FieldSpec[]} */
const fat16Fields = [
  ...bootFields, [36, 1, "Drive", "x"], [37, 1, "Reserved", "bytes"], [38, 1, "Extended signature", "x"], [39, 4, "Volume serial number", "x"],
  [43, 11, "Label", "text"], [54, 8, "Type", "text"], [62, 448, "Boot code", "bytes"], [510, 2, "Boot signature", "x"],
];

/** @type {FieldSpec[]} */
const fat32Fields = [
  ...bootFields, [36, 4, "Sectors per FAT", "u"], [40, 2, "Flags", "x"], [42, 2, "Version", "x"], [44, 4, "First cluster of the root", "u"],
  [48, 2, "Sector of FSInfo", "u"], [50, 2, "Sector of the backup", "u"], [52, 12, "Reserved", "bytes"], [64, 1, "Drive", "x"], [65, 1, "Reserved", "bytes"],
  [66, 1, "Extended signature", "x"], [67, 4, "Volume serial number", "x"], [71, 11, "Label", "text"], [82, 8, "Type", "text"],
  [90, 420, "Boot code", "bytes"], [510, 2, "Boot signature", "x"],
];

/** @type {FieldSpec[]} */
const ntfsFields = [
  ...bootFields.slice(0, 4), [14, 7, "Unused", "bytes"], [21, 1, "Media", "x"], [22, 2, "Unused", "bytes"], [24, 2, "Sectors per track", "u"],
  [26, 2, "Heads", "u"], [28, 4, "Hidden sectors", "u"], [32, 8, "Unused", "bytes"], [40, 8, "Sectors", "u"], [48, 8, "First cluster of $MFT", "u"],
  [56, 8, "First cluster of $MFTMirr", "u"], [64, 1, "Size of an MFT record", "x"], [65, 3, "Unused", "bytes"], [68, 1, "Size of an index block", "x"],
  [69, 3, "Unused", "bytes"], [72, 8, "Volume serial number", "x"], [80, 4, "Checksum", "x"], [84, 426, "Boot code", "bytes"], [510, 2, "Boot signature", "x"],
];

/** @type {FieldSpec[]} */
const exfatFields = [
  [0, 3, "Jump to the boot code", "bytes"], [3, 8, "File system name", "text"], [11, 53, "Must be zero", "bytes"], [64, 8, "First sector of the partition", "u"],
  [72, 8, "Sectors", "u"], [80, 4, "First sector of the FAT", "u"], [84, 4, "Sectors per FAT", "u"], [88, 4, "First sector of the clusters", "u"],
  [92, 4, "Clusters", "u"], [96, 4, "First cluster of the root", "u"], [100, 4, "Volume serial number", "x"], [104, 2, "Revision", "x"],
  [106, 2, "Flags", "x"], [108, 1, "Sector size, as a power of two", "u"], [109, 1, "Sectors per cluster, as a power of two", "u"],
  [110, 1, "Number of FATs", "u"], [111, 1, "Drive", "x"], [112, 1, "Per cent in use", "u"], [120, 390, "Boot code", "bytes"], [510, 2, "Boot signature", "x"],
];

/** @type {FieldSpec[]} */
const extFields = [
  [0, 4, "Inodes", "u"], [4, 4, "Blocks, low", "u"], [8, 4, "Reserved blocks, low", "u"], [12, 4, "Free blocks, low", "u"], [16, 4, "Free inodes", "u"],
  [20, 4, "First data block", "u"], [24, 4, "Block size: 1024 times two to the power of", "u"], [28, 4, "Cluster size, the same way", "u"],
  [32, 4, "Blocks per group", "u"], [36, 4, "Clusters per group", "u"], [40, 4, "Inodes per group", "u"], [44, 4, "Mounted", "time"], [48, 4, "Written", "time"],
  [52, 2, "Mounts since the last check", "u"], [54, 2, "Mounts between checks", "u"], [56, 2, "Magic", "x"], [58, 2, "State", "x"], [60, 2, "On errors", "u"],
  [62, 2, "Minor revision", "u"], [64, 4, "Checked", "time"], [68, 4, "Seconds between checks", "u"], [72, 4, "Creator’s system", "u"], [76, 4, "Revision", "u"],
  [80, 2, "User of reserved blocks", "u"], [82, 2, "Group of reserved blocks", "u"], [84, 4, "First inode that is not reserved", "u"], [88, 2, "Inode size", "u"],
  [90, 2, "Block group of this copy", "u"], [92, 4, "Compatible features", "x"], [96, 4, "Incompatible features", "x"], [100, 4, "Read-only features", "x"],
  [104, 16, "UUID", "uuid"], [120, 16, "Label", "text"], [136, 64, "Mounted last at", "text"], [208, 16, "UUID of the journal", "uuid"], [224, 4, "Inode of the journal", "u"],
  [254, 2, "Size of a group descriptor", "u"], [264, 4, "Made", "time"], [336, 4, "Blocks, high", "u"], [1020, 4, "Checksum", "x"],
];

/** @type {FieldSpec[]} */
const isoFields = [
  [0, 1, "Type of descriptor", "u"], [1, 5, "Identifier", "text"], [6, 1, "Version", "u"], [8, 32, "System", "text"], [40, 32, "Label", "text"],
  [80, 4, "Blocks", "u"], [84, 4, "Blocks, high byte first", "U"], [120, 2, "Volumes in the set", "u"], [124, 2, "Number in the set", "u"], [128, 2, "Block size", "u"],
  [132, 4, "Size of the path table", "u"], [140, 4, "Block of the path table", "u"], [156, 34, "Root folder’s record", "bytes"], [190, 128, "Set", "text"],
  [318, 128, "Publisher", "text"], [446, 128, "Preparer", "text"], [574, 128, "Application", "text"], [813, 17, "Made", "text"], [830, 17, "Modified", "text"],
];

/**
 * A boot sector of NTFS, exFAT or FAT.
 * @param {Uint8Array} sector
 * @param {number} offset
 * @returns {Structure[]}
 */
export function bootSectorIn(sector, offset) {
  const made = (/** @type {string} */ name, /** @type {FieldSpec[]} */ specs) => [structure(name, sector.subarray(0, 512), offset, specs)];
  if (!hasBootSignature(sector)) return [];
  if (says(sector, 3, "NTFS    ")) return made("NTFS boot sector", ntfsFields);
  if (says(sector, 3, "EXFAT   ")) return made("exFAT boot sector", exfatFields);
  if (says(sector, 82, "FAT32")) return made("FAT32 boot sector", fat32Fields);
  if (says(sector, 54, "FAT1")) return made("FAT boot sector", fat16Fields);
  return [];
}

/**
 * A superblock of ext2, ext3 or ext4, or a copy of it.
 * @param {Uint8Array} bytes
 * @param {number} offset
 * @returns {Structure[]}
 */
export function extIn(bytes, offset) {
  if (bytes.length < 1024 || offset % 1024 !== 0 || bytes[56] !== 0x53 || bytes[57] !== 0xef) return [];
  const plausible = number(bytes.subarray(24, 28), true) <= 6n && number(bytes.subarray(76, 80), true) <= 1n && number(bytes.subarray(32, 36), true) > 0n;
  return plausible ? [structure("ext superblock", bytes.subarray(0, 1024), offset, extFields)] : [];
}

/** @param {Uint8Array} bytes @param {number} offset @returns {Structure[]} */
export function isoIn(bytes, offset) {
  if (bytes.length < 2048 || offset % 2048 !== 0 || !says(bytes, 1, "CD001")) return [];
  return [structure(bytes[0] === 1 ? "ISO 9660 primary volume descriptor" : "ISO 9660 volume descriptor", bytes.subarray(0, 2048), offset, bytes[0] === 1 || bytes[0] === 2 ? isoFields : isoFields.slice(0, 3))];
}
