// Which rows of bytes are in sight. Browsers limit the height of an element to
// some ten million pixels, and a disk has far more rows: so the scroll bar is
// one of a smaller height, exact where it can be and to scale where it can't.
// Wheel and keys go by rows, and are exact everywhere.

/** The height of what scrolls at most, in pixels: every browser can do it. */
export const maxHeight = 8_000_000;

export class ScrollModel {
  /** The first row in sight. */
  top = 0;
  /** Rows in sight at once. */
  visible = 1;
  /** Rows of the whole disk. */
  rows = 0;
  /** In pixels. */
  rowHeight = 20;
  /** Of the wheel: less than a row, in pixels. */
  #rest = 0;

  /** The last row that may be the first in sight. */
  get last() {
    return Math.max(0, this.rows - this.visible);
  }

  /** Of what scrolls, in pixels. */
  get height() {
    return Math.min(this.rows * this.rowHeight, maxHeight);
  }

  /** Whether a pixel of the scroll bar is more than a pixel of rows. */
  get scaled() {
    return this.rows * this.rowHeight > maxHeight;
  }

  /** @param {{rows?: number, visible?: number, rowHeight?: number}} shape */
  shape({ rows = this.rows, visible = this.visible, rowHeight = this.rowHeight }) {
    Object.assign(this, { rows, visible: Math.max(1, visible), rowHeight });
    this.moveTo(this.top);
  }

  /** @param {number} row brought into the disk @returns {boolean} whether it moved */
  moveTo(row) {
    const before = this.top;
    this.top = Math.min(Math.max(0, Math.round(row)), this.last);
    return this.top !== before;
  }

  /** Moves as little as brings a row into sight. @param {number} row */
  reveal(row) {
    if (row < this.top) return this.moveTo(row);
    if (row >= this.top + this.visible) return this.moveTo(row - this.visible + 1);
    return false;
  }

  /** Puts a row a third down, if it is not in sight. @param {number} row */
  jump(row) {
    if (row >= this.top && row < this.top + this.visible) return false;
    return this.moveTo(row - Math.floor(this.visible / 3));
  }

  /** @param {number} pixels @returns {boolean} whether there was room to move */
  wheel(pixels) {
    const blocked = pixels < 0 ? this.top === 0 : this.top === this.last;
    if (blocked) return (this.#rest = 0, false);
    const whole = Math.trunc((this.#rest + pixels) / this.rowHeight);
    this.#rest += pixels - whole * this.rowHeight;
    this.moveTo(this.top + whole);
    return true;
  }

  /**
   * @param {number} scrollTop of the scroll bar
   * @param {number} room how far that can go, in pixels
   */
  follow(scrollTop, room) {
    if (room <= 0) return this.moveTo(0);
    return this.moveTo(scrollTop / room * this.last);
  }

  /** Where the scroll bar belongs. @param {number} room as for follow */
  place(room) {
    return this.last === 0 ? 0 : this.top / this.last * room;
  }
}
