// Asks a server what its disk holds, block by block, with a bounded number of
// requests however large or scattered the disk is.

/** Requests of one survey at most. */
export const maxRequests = 1024;
/** Before so many requests nothing is left out. */
const patience = 32;
/** What is asked for in one request, in bytes. */
const [firstReach, leastReach, mostReach] = [2 ** 24, 2 ** 16, 2 ** 32];
/** So many extents in an answer are too many, or few enough to ask for more. */
const [many, few] = [2048, 512];
/** Failures in a row that end it. */
const maxFailures = 3;

/** @typedef {import("../../../client/ranges.js").Extent} Extent */
/** @typedef {"data" | "zero" | "hole"} Type */

/**
 * One answer.
 * @typedef {object} Step
 * @property {number} offset
 * @property {number} length that was asked for, in bytes
 * @property {Extent[]} extents none where the server did not tell
 * @property {number} next where the survey goes on: what is between was left out
 */

/**
 * Goes through a range from its start to its end.
 * @param {Pick<import("../../../client/device.js").BlockDevice, "blockStatus">} device
 * @param {number} offset
 * @param {number} length
 * @param {AbortSignal} [signal]
 * @returns {AsyncGenerator<Step, void, undefined>} it rejects when the server fails several times in a row
 */
export async function* survey(device, offset, length, signal) {
  const end = offset + length;
  let [reach, failures] = [firstReach, 0];
  for (let at = offset, asked = 0; at < end; asked++) {
    const count = Math.min(reach, end - at);
    const extents = await device.blockStatus(at, count, { signal }).catch((error) => {
      signal?.throwIfAborted();
      if (++failures >= maxFailures || error?.code === "CLOSED") throw error;
      return [];
    });
    if (extents.length > 0) failures = 0;
    const next = Math.min(end, at + Math.max(count, strideAfter(asked + 1, end - at)));
    yield { offset: at, length: count, extents, next };
    at = next;
    reach = nextReach(reach, extents.length);
  }
}

/** How far apart requests must be for the rest to be enough. @param {number} asked @param {number} left in bytes */
function strideAfter(asked, left) {
  return asked < patience ? 0 : Math.ceil(left / Math.max(1, maxRequests - asked + 1));
}

/** @param {number} reach @param {number} extents */
function nextReach(reach, extents) {
  if (extents > many) return Math.max(leastReach, reach / 2);
  return extents <= few ? Math.min(mostReach, reach * 2) : reach;
}

/** What a survey has found of a range, in bytes. */
export class Tally {
  data = 0;
  zero = 0;
  hole = 0;

  /** @param {number} offset @param {number} length */
  constructor(offset, length) {
    this.offset = offset;
    this.length = length;
  }

  /** What was asked and told. */
  get told() {
    return this.data + this.zero + this.hole;
  }

  /** Counts what of the extents is in the range. @param {readonly Extent[]} extents */
  add(extents) {
    for (const { offset, length, type } of extents) {
      const overlap = Math.min(offset + length, this.offset + this.length) - Math.max(offset, this.offset);
      if (overlap > 0) this[type] += overlap;
    }
  }
}

/** A disk as a row of cells, each of which counts its bytes by type. */
export class Cells {
  /** @param {number} size of the disk @param {number} most cells at most */
  constructor(size, most) {
    this.cellSize = Math.max(512, Math.ceil(size / most / 512) * 512);
    this.count = Math.ceil(size / this.cellSize);
    this.size = size;
    this.counts = { data: new Float64Array(this.count), zero: new Float64Array(this.count), hole: new Float64Array(this.count) };
  }

  /** @param {readonly Extent[]} extents */
  add(extents) {
    for (const { offset, length, type } of extents) this.#addOne(offset, offset + length, this.counts[type]);
  }

  /** @param {number} from @param {number} to @param {Float64Array} counts */
  #addOne(from, to, counts) {
    for (let i = Math.floor(from / this.cellSize); i < this.count && i * this.cellSize < to; i++) {
      counts[i] += Math.min(to, (i + 1) * this.cellSize) - Math.max(from, i * this.cellSize);
    }
  }

  /**
   * What a cell holds, as shares of what was told of it.
   * @param {number} index
   * @returns {{data: number, zero: number, hole: number} | undefined} undefined where nothing was
   */
  shares(index) {
    const [data, zero, hole] = [this.counts.data[index], this.counts.zero[index], this.counts.hole[index]];
    const told = data + zero + hole;
    return told > 0 ? { data: data / told, zero: zero / told, hole: hole / told } : undefined;
  }
}
