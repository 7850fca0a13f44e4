/** The slot of runs that lie nowhere. */
export const nowhere = -1;

/** Runs of one leaf. A leaf that grows beyond it is cut in halves. */
const leafRuns = 256;

/**
 * Blocks in a row and the slots in a row where they lie, or nowhere.
 * @typedef {{first: number, end: number, slot: number}} Run
 */

/**
 * Where blocks lie. Neighbours that continue each other are one run, so that
 * memory goes with the number of runs: a disk that is zeroed as a whole takes
 * one, and one written in random order some tens of bytes for each block.
 */
export class RunMap {
  /** Sorted; none is empty. @type {Run[][]} */ #leaves = [];
  #count = 0;

  /** The number of runs. */
  get count() { return this.#count; }

  get last() { return this.#leaves.at(-1)?.at(-1); }

  /** @returns {Run | undefined} */
  get first() { return this.#leaves[0]?.[0]; }

  /**
   * @param {number} first
   * @param {number} end exclusive
   * @param {number} slot of the first block, or nowhere
   * @returns {Run[]} what was there
   */
  set(first, end, slot) {
    return this.#replace(first, end, { first, end, slot });
  }

  /**
   * @param {number} first
   * @param {number} end exclusive
   * @returns {Run[]} what was there
   */
  remove(first, end) {
    return this.#replace(first, end, undefined);
  }

  /**
   * @param {number} first
   * @param {number} end
   * @param {Run | undefined} put
   */
  #replace(first, end, put) {
    const from = this.#leafBefore(first);
    const to = this.#leafAfter(end, from);
    const old = /** @type {Run[]} */ ([]).concat(...this.#leaves.slice(from, to));
    const { left, inside, right } = divide(old, first, end);
    const list = left;
    if (put) join(list, put);
    for (const [i, run] of right.entries()) i === 0 ? join(list, run) : list.push(run);
    this.#count += list.length - old.length;
    this.#leaves.splice(from, to - from, ...leavesOf(list));
    return inside;
  }

  /**
   * @param {number} [first]
   * @param {number} [end] exclusive
   * @returns {Run[]} in order, cut to the range
   */
  within(first = 0, end = Infinity) {
    const from = this.#leafBefore(first);
    /** @type {Run[]} */ const inside = [];
    for (let i = from, to = this.#leafAfter(end, from); i < to; i++) {
      for (const run of this.#leaves[i]) if (run.end > first && run.first < end) inside.push(cut(run, Math.max(run.first, first), Math.min(run.end, end)));
    }
    return inside;
  }

  /** The last leaf that begins before a block, for it may hold it. @param {number} block */
  #leafBefore(block) {
    let low = 0, high = this.#leaves.length;
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if (this.#leaves[middle][0].first < block) low = middle;
      else high = middle;
    }
    return low;
  }

  /** The first leaf that begins behind a block. @param {number} block @param {number} from */
  #leafAfter(block, from) {
    let at = from;
    while (at < this.#leaves.length && this.#leaves[at][0].first <= block) at++;
    return at;
  }
}

/**
 * @param {Run[]} runs
 * @param {number} first
 * @param {number} end
 */
function divide(runs, first, end) {
  /** @type {Record<"left" | "inside" | "right", Run[]>} */
  const parts = { left: [], inside: [], right: [] };
  for (const run of runs) {
    if (run.end <= first) parts.left.push(run);
    else if (run.first >= end) parts.right.push(run);
    else {
      if (run.first < first) parts.left.push(cut(run, run.first, first));
      parts.inside.push(cut(run, Math.max(run.first, first), Math.min(run.end, end)));
      if (run.end > end) parts.right.push(cut(run, end, run.end));
    }
  }
  return parts;
}

/** @param {Run} run @param {number} first @param {number} end @returns {Run} */
function cut(run, first, end) {
  return { first, end, slot: run.slot === nowhere ? nowhere : run.slot + first - run.first };
}

/** @param {Run[]} list @param {Run} run it may be changed later */
function join(list, run) {
  const last = list.at(-1);
  const goesOn = last?.end === run.first && (run.slot === nowhere ? last.slot === nowhere : last.slot !== nowhere && last.slot + last.end - last.first === run.slot);
  if (last && goesOn) last.end = run.end;
  else list.push(run);
}

/** @param {Run[]} list */
function leavesOf(list) {
  if (list.length <= leafRuns) return list.length ? [list] : [];
  /** @type {Run[][]} */ const leaves = [];
  for (let i = 0; i < list.length; i += leafRuns / 2) leaves.push(list.slice(i, i + leafRuns / 2));
  return leaves;
}

/**
 * The parts of a range that no run covers.
 * @param {Run[]} runs in order, within the range
 * @param {number} first
 * @param {number} end
 * @returns {Run[]}
 */
export function gaps(runs, first, end) {
  /** @type {Run[]} */ const list = [];
  let at = first;
  for (const run of [...runs, { first: end, end }]) {
    if (at < run.first) list.push({ first: at, end: run.first, slot: nowhere });
    at = Math.max(at, run.end);
  }
  return list;
}
