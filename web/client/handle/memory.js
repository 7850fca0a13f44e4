// The memory that a waiting thread shares with the one that holds the device:
// a header, texts, and data. A call has the waiting side store `waiting`, and
// the other one of the other states, with a notice.

/** States of a call: of one that failed the text tells why, of one that is over the farewell. */
export const waiting = 0, done = 1, failed = 2, over = 3;

/** Numbers of the header: the state, bytes that were read, and 1 when the handle has ended, with a farewell. */
export const state = 0, dataLength = 1, ended = 2;

/** Most that one call moves, in bytes. */
export const pieceSize = 1 << 20;
const headerSize = 64;
/** Of each of the texts, which end with a zero: JSON has none. */
const textSize = 4096;

/** @param {SharedArrayBuffer} memory */
export function partsOf(memory) {
  return {
    header: new Int32Array(memory, 0, headerSize / 4),
    text: new Uint8Array(memory, headerSize, textSize),
    farewell: new Uint8Array(memory, headerSize + textSize, textSize),
    data: new Uint8Array(memory, headerSize + 2 * textSize),
  };
}

/** @typedef {ReturnType<typeof partsOf>} Parts */

export function newMemory() {
  return new SharedArrayBuffer(headerSize + 2 * textSize + pieceSize);
}

/**
 * @param {Uint8Array} text
 * @param {any} value
 * @returns {boolean} false if there is no room for it
 */
export function putText(text, value) {
  const bytes = new TextEncoder().encode(JSON.stringify(value));
  if (bytes.length >= text.length) return false;
  text.set(bytes);
  text[bytes.length] = 0;
  return true;
}

/** @param {Uint8Array} text @returns {any} */
export function takeText(text) {
  return JSON.parse(new TextDecoder().decode(text.slice(0, text.indexOf(0))));
}
