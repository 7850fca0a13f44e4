// Which parts of a disk were touched, in cells: the part of the map that needs no document.

/** Cells of a map at most, whatever the size of the disk. */
export const mostCells = 1024;

/** What can happen to a cell, in the order in which one shows over the other. */
export const kinds = /** @type {const} */ (["read", "hit", "written"]);
/** @typedef {typeof kinds[number]} Kind */

/** Touches of a disk of any size, each cell standing for as many bytes. */
export class BlockMap {
  /** 0 for nothing, or one more than the kind. @type {Uint8Array} */ #cells;
  /** Counts changes, so that nobody draws in vain. */ changes = 0;

  /** @param {number} size of the disk, in bytes */
  constructor(size) {
    this.size = size;
    /** Bytes of a cell. @readonly */
    this.cellSize = Math.max(512, 2 ** Math.ceil(Math.log2(Math.max(size, 1) / mostCells)));
    this.#cells = new Uint8Array(Math.max(1, Math.ceil(size / this.cellSize)));
  }

  get length() { return this.#cells.length; }

  /**
   * @param {Kind} kind
   * @param {number} offset
   * @param {number} length
   */
  mark(kind, offset, length) {
    const value = kinds.indexOf(kind) + 1;
    const end = Math.min(Math.ceil((offset + length) / this.cellSize), this.length);
    for (let i = Math.floor(offset / this.cellSize); i < end; i++) {
      if (this.#cells[i] >= value) continue;
      this.#cells[i] = value;
      this.changes++;
    }
  }

  /** @param {number} cell @returns {Kind | undefined} */
  at(cell) {
    return kinds[this.#cells[cell] - 1];
  }

  /** How many cells there are of each kind. @returns {Record<Kind, number>} */
  counts() {
    const sums = { read: 0, hit: 0, written: 0 };
    for (let i = 0; i < this.length; i++) {
      const kind = this.at(i);
      if (kind) sums[kind]++;
    }
    return sums;
  }
}
