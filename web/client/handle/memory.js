// The memory that a waiting thread shares with the one that holds the device:
// a header, a text, and data. A call has the waiting side store `waiting`, and
// the other one of the other states, with a notice.

/** States of a call. */
export const waiting = 0, done = 1, failed = 2;

/** Numbers of the header: the state, bytes of the text, bytes that were read, and 1 when the handle has ended. */
export const state = 0, textLength = 1, dataLength = 2, ended = 3;

/** Most that one call moves, in bytes. */
export const pieceSize = 1 << 20;
const headerSize = 64;
const textSize = 4096 - headerSize;

/** @param {SharedArrayBuffer} memory */
export function partsOf(memory) {
  return {
    header: new Int32Array(memory, 0, headerSize / 4),
    text: new Uint8Array(memory, headerSize, textSize),
    data: new Uint8Array(memory, headerSize + textSize),
  };
}

/** @typedef {ReturnType<typeof partsOf>} Parts */

export function newMemory() {
  return new SharedArrayBuffer(headerSize + textSize + pieceSize);
}

/**
 * @param {Parts} parts
 * @param {any} value
 * @returns {boolean} false if there is no room for it
 */
export function putText({ header, text }, value) {
  const bytes = new TextEncoder().encode(JSON.stringify(value));
  if (bytes.length > textSize) return false;
  text.set(bytes);
  header[textLength] = bytes.length;
  return true;
}

/** @param {Parts} parts @returns {any} */
export function takeText({ header, text }) {
  return JSON.parse(new TextDecoder().decode(text.slice(0, header[textLength])));
}
