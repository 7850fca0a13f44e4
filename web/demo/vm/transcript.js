// What a serial port says, as lines of text: the part of the console that needs no document.

/** Lines that are kept at most. */
export const mostLines = 2000;
/** Characters of a line; what is longer goes on in the next one. */
const longestLine = 1000;
/** Bytes of an escape sequence; what is longer is none. */
const longestEscape = 64;

const decoder = new TextDecoder();

/**
 * Takes bytes and gives lines. It knows what shells do to edit a line: carriage
 * return, backspace and "erase to the end". Every other escape sequence is left
 * out; one that moves to another line begins a new one.
 */
export class Transcript {
  /** Bytes of the line that is not over. @type {number[]} */ #line = [];
  #column = 0;
  /** Of a sequence that has begun. @type {number[] | undefined} */ #escape;
  /** Lines that are over and were not taken. @type {string[]} */ #done = [];
  /** Lines that were dropped because nobody took them. */ dropped = 0;

  /** @param {number} byte */
  push(byte) {
    if (this.#escape) this.#inEscape(byte);
    else if (byte === 0x1b) this.#escape = [];
    else if (byte === 0x0a) this.#newLine();
    else if (byte === 0x0d) this.#column = 0;
    else if (byte === 0x08) this.#column = Math.max(this.#column - 1, 0);
    else if (byte === 0x09) this.#tab();
    else if (byte >= 0x20 && byte !== 0x7f) this.#put(byte);
  }

  /** @param {number} byte */
  #put(byte) {
    if (this.#column === longestLine) this.#newLine();
    this.#line[this.#column++] = byte;
  }

  #tab() {
    do this.#put(0x20); while (this.#column % 8 !== 0);
  }

  #newLine() {
    this.#done.push(this.current);
    if (this.#done.length > mostLines) this.#done.shift(), this.dropped++;
    this.#line = [];
    this.#column = 0;
  }

  /** @param {number} byte */
  #inEscape(byte) {
    const escape = /** @type {number[]} */ (this.#escape);
    escape.push(byte);
    if (!isOver(escape) && escape.length < longestEscape) return;
    this.#escape = undefined;
    if (escape[0] === 0x5b) this.#obey(String.fromCharCode(byte), String.fromCharCode(...escape.slice(1, -1)));
  }

  /** @param {string} command @param {string} arguments_ */
  #obey(command, arguments_) {
    const count = Math.min(Number.parseInt(arguments_, 10) || 1, longestLine);
    if (command === "K" && (arguments_ === "" || arguments_ === "0")) this.#line.length = Math.min(this.#column, this.#line.length);
    if (command === "D") this.#column = Math.max(this.#column - count, 0);
    if (command === "C") this.#column = Math.min(this.#column + count, this.#line.length);
    if ("HfJ".includes(command) && this.#line.length > 0) this.#newLine();
  }

  /** The line that is not over. */
  get current() {
    return decoder.decode(Uint8Array.from(this.#line));
  }

  /** Takes the lines that are over. */
  take() {
    return this.#done.splice(0);
  }
}

/** @param {number[]} escape what follows ESC */
function isOver(escape) {
  const last = escape[escape.length - 1];
  if (escape[0] === 0x5d) return last === 0x07 || (last === 0x5c && escape.at(-2) === 0x1b); // a title and the like
  if (escape[0] === 0x5b) return escape.length > 1 && last >= 0x40 && last <= 0x7e;
  return last >= 0x30; // charsets and single ones
}
