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

/** @typedef {{row: HTMLElement, offset: HTMLElement, cells: HTMLElement[], letters: HTMLElement[], seen: string[]}} Slot */

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

  /**
   * Makes the elements, if the shape is another.
   * @param {number} count rows
   * @param {number} width bytes in a row
   */
  shape(count, width) {
    if (width === this.#width && count === this.#slots.length) return;
    if (width !== this.#width) this.#slots = [];
    this.#width = width;
    this.#showHead();
    while (this.#slots.length < count) this.#slots.push(slot(this.#slots.length, width));
    this.#slots.length = count;
    this.#grid.replaceChildren(this.#head, ...this.#slots.map(({ row }) => row));
  }

  #showHead() {
    const names = Array.from({ length: this.#width }, (_, i) => cell("columnheader", i.toString(16).toUpperCase(), gap(i, "hex-byte")));
    this.#head.replaceChildren(cell("columnheader", "Offset", "hex-offset"), ...names, cell("columnheader", "Text", "hex-text"));
    this.#head.setAttribute("aria-rowindex", "1");
  }

  /**
   * @param {number} index of the slot
   * @param {number} offset of the row on the disk; -1 hides it
   * @param {number} wide digits of offsets
   * @param {readonly Look[]} looks of its bytes, fewer at the disk's end
   */
  draw(index, offset, wide, looks) {
    const { row, offset: head, cells, letters: text, seen } = this.#slots[index];
    row.hidden = offset < 0;
    if (offset < 0) return;
    const title = hexOffset(offset, wide);
    if (head.textContent !== title) head.textContent = title;
    row.setAttribute("aria-rowindex", String(offset / this.#width + 2));
    for (let i = 0; i < this.#width; i++) {
      const look = looks[i];
      const key = look ? `${look.byte}/${look.classes}/${look.label}` : "";
      if (seen[i] === key) continue;
      seen[i] = key;
      drawByte(cells[i], text[i], look, i);
    }
  }

  /** The id of a byte's element. @param {number} index of the slot @param {number} column */
  idOf(index, column) {
    return this.#slots[index]?.cells[column]?.id;
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

/** @param {HTMLElement} cell @param {HTMLElement} letter @param {Look | undefined} look @param {number} column */
function drawByte(cell, letter, look, column) {
  const { byte, classes, label } = look ?? { byte: -1, classes: "", label: "" };
  cell.textContent = byte === -1 ? "" : byte === null ? "!!" : byte === undefined ? "··" : digits[byte];
  letter.textContent = byte === -1 ? "" : byte === null ? "!" : byte === undefined ? " " : letters[byte];
  cell.className = `${gap(column, "hex-byte")} ${classes}`;
  letter.className = classes;
  if (label) cell.setAttribute("aria-label", label);
  else cell.removeAttribute("aria-label");
  cell.ariaSelected = String(classes.includes("chosen"));
}

/** @param {number} index @param {number} width @returns {Slot} */
function slot(index, width) {
  const row = element("div", "", "hex-row");
  row.role = "row";
  const offset = cell("rowheader", "", "hex-offset");
  const cells = Array.from({ length: width }, (_, i) => cell("gridcell", "", gap(i, "hex-byte")));
  const letters = cells.map(() => element("span"));
  [...cells, ...letters].forEach((e, i) => { e.dataset.column = String(i % width); });
  cells.forEach((e, i) => { e.id = `byte-${index}-${i}`; });
  const text = cell("gridcell", "", "hex-text");
  text.append(...letters);
  row.append(offset, ...cells, text);
  return { row, offset, cells, letters, seen: [] };
}

/** @param {string} role @param {string} text @param {string} className */
function cell(role, text, className) {
  const made = element("span", text, className);
  made.role = role;
  return made;
}

/** A wider gap stands before every eighth byte. @param {number} column @param {string} className */
function gap(column, className) {
  return column > 0 && column % 8 === 0 ? `${className} gap` : className;
}
