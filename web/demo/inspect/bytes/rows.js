// The rows of the view: elements that are made once and filled again and again.
import { element } from "../../page/dom.js";
import { hexOffset } from "./position.js";

/** All bytes as two digits. */
const digits = Array.from({ length: 256 }, (_, b) => b.toString(16).padStart(2, "0"));
/** All bytes as text; a dot for what is not printable ASCII. */
const letters = Array.from({ length: 256 }, (_, b) => b >= 0x20 && b < 0x7f ? String.fromCharCode(b) : ".");

/**
 * What a byte looks like.
 * @typedef {object} Look
 * @property {number | null | undefined} byte null: it can't be read; undefined: it is not here yet
 * @property {string} classes
 * @property {string} label for screen readers, where the digits don't say all
 */

/** A byte's two elements, and what they show now. @typedef {{cell: HTMLElement, digits: Text, letter: HTMLElement, text: Text, byte: number | null | undefined, classes: string, label: string}} Pair */

/** @typedef {{row: HTMLElement, offset: Text, at: number, pairs: Pair[]}} Slot */

/** Where there is no byte: after the disk's end. */
const nothing = -1;

export class Rows {
  /** @type {Slot[]} */ #slots = [];
  #head = element("div", "", "hex-row hex-head");
  #width = 0;
  #grid;

  /** @param {HTMLElement} grid */
  constructor(grid) {
    this.#grid = grid;
    this.#head.role = "row";
  }

  /** Rows that can be drawn; none before the view was in sight. */
  get count() {
    return this.#slots.length;
  }

  /**
   * Makes the elements, if the shape is another.
   * @param {number} count rows
   * @param {number} width bytes in a row
   * @param {number} wide digits of offsets
   */
  shape(count, width, wide) {
    this.#showHead(wide, width);
    if (width === this.#width && count === this.#slots.length) return;
    if (width !== this.#width) this.#slots = [];
    this.#width = width;
    while (this.#slots.length < count) this.#slots.push(slot(this.#slots.length, width));
    this.#slots.length = count;
    this.#grid.replaceChildren(this.#head, ...this.#slots.map(({ row }) => row));
  }

  /** @param {number} wide digits of offsets @param {number} width */
  #showHead(wide, width) {
    const names = Array.from({ length: width }, (_, i) => cell("columnheader", i.toString(16).toUpperCase().padStart(2), "hex-byte"));
    this.#head.replaceChildren(cell("columnheader", "Offset".padEnd(wide), "hex-offset"), ...names, cell("columnheader", "Text", "hex-text"));
    this.#head.setAttribute("aria-rowindex", "1");
  }

  /**
   * @param {number} index of the slot
   * @param {number} offset of the row on the disk; -1 hides it
   * @param {number} wide digits of offsets
   * @param {readonly Look[]} looks of its bytes, fewer at the disk's end
   */
  draw(index, offset, wide, looks) {
    const slot = this.#slots[index];
    if (slot.row.hidden !== offset < 0) slot.row.hidden = offset < 0;
    if (offset < 0) return;
    if (slot.at !== offset) {
      slot.at = offset;
      slot.offset.data = hexOffset(offset, wide);
      slot.row.setAttribute("aria-rowindex", String(offset / this.#width + 2));
    }
    slot.pairs.forEach((pair, i) => drawByte(pair, looks[i] ?? { byte: nothing, classes: "", label: "" }));
  }

  /** The id of a byte's element. @param {number} index of the slot @param {number} column */
  idOf(index, column) {
    return this.#slots[index]?.pairs[column]?.cell.id;
  }

  /**
   * The slot and column under a point, if it is on a byte.
   * @param {number} x @param {number} y of the window
   */
  at(x, y) {
    const hit = document.elementFromPoint(x, y)?.closest("[data-column]");
    if (!(hit instanceof HTMLElement)) return undefined;
    const index = this.#slots.findIndex(({ row }) => row.contains(hit));
    return index < 0 ? undefined : { index, column: Number(hit.dataset.column) };
  }
}

/**
 * Touches only what is another than before: that is what scrolling costs.
 * @param {Pair} pair
 * @param {Look} look
 */
function drawByte(pair, { byte, classes, label }) {
  if (pair.byte !== byte) {
    pair.byte = byte;
    pair.digits.data = byte === nothing ? "  " : byte === null ? "!!" : byte === undefined ? "··" : digits[byte];
    pair.text.data = byte === nothing ? " " : byte === null ? "!" : byte === undefined ? " " : letters[byte];
  }
  if (pair.classes !== classes) {
    pair.classes = classes;
    pair.cell.className = `hex-byte ${classes}`;
    pair.letter.className = classes;
    pair.cell.ariaSelected = String(classes.includes("chosen"));
  }
  if (pair.label === label) return;
  pair.label = label;
  if (label) pair.cell.setAttribute("aria-label", label);
  else pair.cell.removeAttribute("aria-label");
}

/** @param {number} index @param {number} width @returns {Slot} */
function slot(index, width) {
  const row = element("div", "", "hex-row");
  row.role = "row";
  const offset = new Text("");
  const head = cell("rowheader", "", "hex-offset");
  head.append(offset);
  const pairs = Array.from({ length: width }, (_, column) => pair(index, column));
  const text = cell("gridcell", "", "hex-text");
  text.append(...pairs.map(({ letter }) => letter));
  row.append(head, ...pairs.map(({ cell }) => cell), text);
  return { row, offset, at: -1, pairs };
}

/** @param {number} index @param {number} column @returns {Pair} */
function pair(index, column) {
  const [digits, text] = [new Text("  "), new Text(" ")];
  const made = cell("gridcell", "", "hex-byte");
  made.id = `byte-${index}-${column}`;
  made.append(digits);
  const letter = element("span");
  letter.append(text);
  made.dataset.column = letter.dataset.column = String(column);
  return { cell: made, digits, letter, text, byte: nothing, classes: "", label: "" };
}

/** @param {string} role @param {string} text @param {string} className */
function cell(role, text, className) {
  const made = element("span", text, className);
  made.role = role;
  return made;
}
