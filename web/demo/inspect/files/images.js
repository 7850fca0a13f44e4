// What can be shown of a file's content, by its first bytes: raster images that
// browsers decode, and text. Nothing that could be a document.

/** Pixels of an image that is decoded at most: four bytes of memory each. */
export const maxPixels = 40e6;

/**
 * @typedef {object} ImageHeader
 * @property {string} type for the browser's decoder
 * @property {number} width
 * @property {number} height
 */

/**
 * What an image says of itself; undefined for what is none.
 * @param {Uint8Array} bytes the first 64 KiB, or all
 * @returns {ImageHeader | undefined}
 */
export function imageHeader(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const text = String.fromCharCode(...bytes.subarray(0, 16));
  if (bytes.length < 30) return undefined;
  if (text.startsWith("\x89PNG\r\n\x1a\n")) return { type: "image/png", width: view.getUint32(16), height: view.getUint32(20) };
  if (/^GIF8[79]a/.test(text)) return gif(view);
  if (text.startsWith("BM")) return { type: "image/bmp", width: Math.abs(view.getInt32(18, true)), height: Math.abs(view.getInt32(22, true)) };
  if (text.startsWith("RIFF") && text.slice(8, 12) === "WEBP") return webp(view, text.slice(12, 16));
  if (text.startsWith("\xff\xd8\xff")) return jpeg(view);
  return undefined;
}

/** Decoders make room for the first picture, where it is larger than the screen that it is said to be on. @param {DataView} view @returns {ImageHeader | undefined} */
function gif(view) {
  const [width, height] = [view.getUint16(6, true), view.getUint16(8, true)];
  let at = 13 + colours(view.getUint8(10));
  while (at + 10 <= view.byteLength && view.getUint8(at) === 0x21) at = afterBlocks(view, at + 2);
  if (at + 10 > view.byteLength || view.getUint8(at) !== 0x2c) return undefined;
  const [left, top, w, h] = [1, 3, 5, 7].map((i) => view.getUint16(at + i, true));
  return { type: "image/gif", width: Math.max(width, left + w), height: Math.max(height, top + h) };
}

/** Bytes of a table of colours, by the flags in front of it. @param {number} flags */
const colours = (flags) => flags & 0x80 ? 3 * 2 ** ((flags & 7) + 1) : 0;

/** Where a list of blocks of an extension ends. @param {DataView} view @param {number} at */
function afterBlocks(view, at) {
  while (at < view.byteLength && view.getUint8(at) > 0) at += 1 + view.getUint8(at);
  return at + 1;
}

/** @param {DataView} view @param {string} kind @returns {ImageHeader | undefined} */
function webp(view, kind) {
  const type = "image/webp";
  if (kind === "VP8X") return { type, width: 1 + (view.getUint32(24, true) & 0xffffff), height: 1 + (view.getUint32(26, true) >>> 8) };
  if (kind === "VP8 ") return { type, width: view.getUint16(26, true) & 0x3fff, height: view.getUint16(28, true) & 0x3fff };
  if (kind !== "VP8L") return undefined;
  const bits = view.getUint32(21, true);
  return { type, width: 1 + (bits & 0x3fff), height: 1 + (bits >>> 14 & 0x3fff) };
}

/** Goes from segment to segment, to the frame's. @param {DataView} view @returns {ImageHeader | undefined} */
function jpeg(view) {
  for (let at = 2; at + 9 <= view.byteLength && view.getUint8(at) === 0xff;) {
    const marker = view.getUint8(at + 1);
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (isFrame) return { type: "image/jpeg", width: view.getUint16(at + 7), height: view.getUint16(at + 5) };
    at += marker === 0xff ? 1 : 2 + view.getUint16(at + 2);
  }
  return undefined;
}

/**
 * The beginning of a file as text; undefined for what is none.
 * @param {Uint8Array} bytes
 * @param {boolean} whole whether the file ends there; otherwise half a character at its end is left out
 * @returns {string | undefined}
 */
export function textOf(bytes, whole) {
  const encoding = bytes[0] === 0xff && bytes[1] === 0xfe ? "utf-16le" : bytes[0] === 0xfe && bytes[1] === 0xff ? "utf-16be" : "utf-8";
  try {
    const text = new TextDecoder(encoding, { fatal: true }).decode(bytes, { stream: !whole });
    return /[\0-\x08\x0e-\x1a\x1c-\x1f]/.test(text) ? undefined : text;
  } catch {
    return undefined;
  }
}
