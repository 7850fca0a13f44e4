/** Eight tables, for eight bytes a step. @type {Int32Array[]} */
const tables = Array.from({ length: 8 }, () => new Int32Array(256));
for (let i = 0; i < 256; i++) {
  let c = i;
  for (let bit = 0; bit < 8; bit++) c = c & 1 ? (c >>> 1) ^ 0xedb88320 : c >>> 1;
  tables[0][i] = c;
}
for (let i = 0; i < 256; i++) {
  for (let t = 1; t < 8; t++) tables[t][i] = (tables[t - 1][i] >>> 8) ^ tables[0][tables[t - 1][i] & 255];
}
const [t0, t1, t2, t3, t4, t5, t6, t7] = tables;

/**
 * CRC-32 as of zlib.
 * @param {Uint8Array} bytes
 * @param {number} [before] that of the bytes before these
 * @returns {number} unsigned
 */
export function crc32(bytes, before = 0) {
  let c = ~before, i = 0;
  for (const end = bytes.length - 7; i < end; i += 8) {
    const low = c ^ (bytes[i] | bytes[i + 1] << 8 | bytes[i + 2] << 16 | bytes[i + 3] << 24);
    c = t7[low & 255] ^ t6[low >>> 8 & 255] ^ t5[low >>> 16 & 255] ^ t4[low >>> 24]
      ^ t3[bytes[i + 4]] ^ t2[bytes[i + 5]] ^ t1[bytes[i + 6]] ^ t0[bytes[i + 7]];
  }
  for (; i < bytes.length; i++) c = (c >>> 8) ^ t0[(c ^ bytes[i]) & 255];
  return ~c >>> 0;
}
