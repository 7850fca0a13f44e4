// What is chosen of a disk's bytes: from an anchor to the cursor, both within.

export class Selection {
  cursor = 0;
  anchor = 0;
  #size;

  /** @param {number} size of the disk, in bytes */
  constructor(size) {
    this.#size = size;
  }

  get from() {
    return Math.min(this.anchor, this.cursor);
  }

  /** Bytes: one where only the cursor stands, none on an empty disk. */
  get length() {
    return this.#size === 0 ? 0 : Math.abs(this.anchor - this.cursor) + 1;
  }

  /**
   * @param {number} offset brought into the disk
   * @param {boolean} [extend] leaves the anchor where it is
   */
  moveTo(offset, extend = false) {
    this.cursor = Math.max(0, Math.min(offset, this.#size - 1));
    if (!extend) this.anchor = this.cursor;
  }

  /** @param {number} offset @param {number} length at least 1; the cursor stands on its first byte */
  choose(offset, length) {
    this.moveTo(offset + Math.max(1, length) - 1);
    this.moveTo(offset, true);
  }

  /** @param {number} offset */
  has(offset) {
    return offset >= this.from && offset < this.from + this.length;
  }
}

/**
 * Where a key takes the cursor.
 * @param {{key: string, ctrl: boolean}} stroke
 * @param {{cursor: number, width: number, page: number, size: number}} at width:
 *   bytes in a row; page: rows in sight
 * @returns {number | undefined} undefined for other keys; it may be outside of the disk
 */
export function keyTarget({ key, ctrl }, { cursor, width, page, size }) {
  const begin = cursor - cursor % width;
  switch (key) {
    case "ArrowLeft": return cursor - 1;
    case "ArrowRight": return cursor + 1;
    case "ArrowUp": return cursor < width ? cursor : cursor - width;
    case "ArrowDown": return cursor + width < size ? cursor + width : cursor;
    case "PageUp": return Math.max(cursor - page * width, cursor % width);
    case "PageDown": return Math.min(cursor + page * width, size - 1);
    case "Home": return ctrl ? 0 : begin;
    case "End": return ctrl ? size - 1 : begin + width - 1;
    default: return undefined;
  }
}
