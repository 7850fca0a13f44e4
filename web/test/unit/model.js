/**
 * A change that is under way or has ended.
 * @typedef {object} Change
 * @property {number} offset
 * @property {Uint8Array} bytes
 * @property {number} began
 * @property {boolean} done it succeeded
 * @property {Change[]} peers changes of overlapping ranges that were under way too
 */

/**
 * Bytes that a range may hold instead of those of the model.
 * @typedef {{offset: number, bytes: Uint8Array, since: number, open: boolean}} Doubt
 */

/** @typedef {{offset: number, before: Uint8Array, began: number, seen: {offset: number, bytes: Uint8Array}[], calm: boolean}} Reading */

/**
 * What a device must hold, told by its changes and checked against its reads.
 * Of a range that is changed while it is read, every byte may be old or new; of
 * changes at once, each may be the last; one that failed may have happened.
 */
export class Model {
  #clock = 0;
  /** @type {Set<Change>} */ #changes = new Set();
  /** @type {Set<Reading>} */ #readings = new Set();
  /** @type {Doubt[]} */ #doubts = [];

  /** @param {Uint8Array} bytes */
  constructor(bytes) { this.bytes = bytes.slice(); }

  /** @param {number} offset @param {Uint8Array} bytes */
  begin(offset, bytes) {
    const peers = [...this.#changes].filter((c) => overlap(c, offset, bytes.length));
    /** @type {Change} */
    const change = { offset, bytes, began: ++this.#clock, done: false, peers };
    for (const p of peers) p.peers.push(change);
    for (const r of this.#readings) if (overlap({ offset: r.offset, bytes: r.before }, offset, bytes.length)) r.seen.push(change), r.calm = false;
    this.#changes.add(change);
    return change;
  }

  /**
   * @param {Change} change
   * @param {"done" | "failed" | "aborted"} outcome aborted: it may also happen later
   */
  end(change, outcome) {
    this.#changes.delete(change);
    const { offset, bytes, began, peers } = change;
    const now = ++this.#clock;
    change.peers = []; // or each change would keep all before it
    if (outcome !== "done") {
      this.#doubts.push({ offset, bytes, since: now, open: outcome === "aborted" });
      return;
    }
    change.done = true;
    this.bytes.set(bytes, offset);
    this.#settle(offset, bytes.length, began);
    for (const p of peers) if (p.done) this.#doubts.push({ ...common(p, offset, bytes.length), since: now, open: false });
  }

  /** Doubts from before a moment are gone in a range. @param {number} offset @param {number} length @param {number} moment */
  #settle(offset, length, moment) {
    this.#doubts = this.#doubts.flatMap((d) => {
      if (d.since > moment || !overlap(d, offset, length)) return [d];
      const left = { ...d, bytes: d.bytes.subarray(0, Math.max(offset - d.offset, 0)) };
      const cut = Math.min(offset + length - d.offset, d.bytes.length);
      const right = { ...d, offset: d.offset + cut, bytes: d.bytes.subarray(cut) };
      return [left, right].filter((part) => part.bytes.length > 0);
    });
  }

  /** @param {number} offset @param {number} length @returns {Reading} */
  beginRead(offset, length) {
    const changes = [...this.#changes].filter((c) => overlap(c, offset, length));
    const doubts = this.#doubts.filter((d) => overlap(d, offset, length));
    const reading = { offset, before: this.bytes.slice(offset, offset + length), began: ++this.#clock, seen: [...changes, ...doubts], calm: changes.length === 0 && !doubts.some((d) => d.open) };
    this.#readings.add(reading);
    return reading;
  }

  /**
   * What was read without any change at the same time settles what was in doubt.
   * @param {Reading} reading
   * @param {Uint8Array} [got] nothing if the read failed
   * @returns {string | undefined} what is wrong
   */
  endRead(reading, got) {
    this.#readings.delete(reading);
    if (!got) return undefined;
    const { offset, before, seen, calm, began } = reading;
    if (got.length !== before.length) return `${got.length} bytes instead of ${before.length}`;
    for (let i = firstDifference(got, before, 0); i >= 0; i = firstDifference(got, before, i + 1)) {
      const at = offset + i;
      if (!seen.some((s) => s.bytes[at - s.offset] === got[i])) return `byte ${at} is ${got[i]}: want ${before[i]}, or one of ${seen.map((s) => s.bytes[at - s.offset])}`;
    }
    if (calm && seen.length > 0) {
      this.bytes.set(got, offset);
      this.#settle(offset, got.length, began);
    }
    return undefined;
  }
}

/** @param {Uint8Array} a @param {Uint8Array} b @param {number} from */
function firstDifference(a, b, from) {
  if (from === 0 && Buffer.compare(a, b) === 0) return -1;
  for (let i = from; i < a.length; i++) if (a[i] !== b[i]) return i;
  return -1;
}

/** @param {{offset: number, bytes: Uint8Array}} a @param {number} offset @param {number} length */
function overlap(a, offset, length) {
  return a.offset < offset + length && offset < a.offset + a.bytes.length;
}

/** @param {{offset: number, bytes: Uint8Array}} a @param {number} offset @param {number} length */
function common(a, offset, length) {
  const from = Math.max(a.offset, offset);
  return { offset: from, bytes: a.bytes.subarray(from - a.offset, offset + length - a.offset) };
}
