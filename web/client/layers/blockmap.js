/** Blocks of a page. */
const pageBlocks = 4096;

/**
 * A small number for each block of a device, 0 at first. It takes memory only
 * for stretches of 4096 blocks that are not all alike, 4 KiB each.
 */
export class BlockMap {
  /** A number stands for a page that is all alike. @type {Map<number, number | Uint8Array>} */ #pages = new Map();

  /**
   * @param {number} first
   * @param {number} end exclusive
   * @param {number} value from 0 to 255
   */
  set(first, end, value) {
    for (let at = first; at < end;) {
      const page = Math.floor(at / pageBlocks);
      const start = page * pageBlocks;
      const to = Math.min(end, start + pageBlocks);
      if (to - at === pageBlocks) this.#setPage(page, value);
      else this.#page(page).fill(value, at - start, to - start);
      at = to;
    }
  }

  /** @param {number} page @param {number} value */
  #setPage(page, value) {
    if (value === 0) this.#pages.delete(page);
    else this.#pages.set(page, value);
  }

  /** @param {number} page */
  #page(page) {
    const found = this.#pages.get(page) ?? 0;
    if (typeof found !== "number") return found;
    const bytes = new Uint8Array(pageBlocks).fill(found);
    this.#pages.set(page, bytes);
    return bytes;
  }

  /**
   * Stretches of blocks that are not 0, in order.
   * @param {number} first
   * @param {number} end exclusive
   * @returns {{first: number, end: number, value: number}[]}
   */
  runs(first, end) {
    /** @type {{first: number, end: number, value: number}[]} */
    const runs = [];
    for (const page of this.#pagesWithin(first, end)) {
      const start = page * pageBlocks;
      addRuns(runs, /** @type {number | Uint8Array} */ (this.#pages.get(page)), start, Math.max(first, start), Math.min(end, start + pageBlocks));
    }
    return runs;
  }

  /**
   * By the shorter way: a range can have more pages than memory.
   * @param {number} first
   * @param {number} end
   */
  #pagesWithin(first, end) {
    const from = Math.floor(first / pageBlocks);
    const to = Math.ceil(end / pageBlocks);
    if (to - from > this.#pages.size) {
      return [...this.#pages.keys()].filter((p) => p >= from && p < to).sort((a, b) => a - b);
    }
    return Array.from({ length: to - from }, (_, i) => from + i).filter((p) => this.#pages.has(p));
  }

  clear() { this.#pages.clear(); }
}

/**
 * @param {{first: number, end: number, value: number}[]} runs
 * @param {number | Uint8Array} page
 * @param {number} start of the page
 * @param {number} from
 * @param {number} to
 */
function addRuns(runs, page, start, from, to) {
  if (typeof page === "number") return addRun(runs, from, to, page);
  for (let at = from; at < to;) {
    const value = page[at - start];
    let end = at + 1;
    while (end < to && page[end - start] === value) end++;
    addRun(runs, at, end, value);
    at = end;
  }
}

/**
 * @param {{first: number, end: number, value: number}[]} runs
 * @param {number} first
 * @param {number} end
 * @param {number} value
 */
function addRun(runs, first, end, value) {
  if (value === 0 || first === end) return;
  const last = runs.at(-1);
  if (last?.end === first && last.value === value) last.end = end;
  else runs.push({ first, end, value });
}
