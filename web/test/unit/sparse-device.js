import { SyncDevice } from "../../client/sync/index.js";

/**
 * A device for calls that wait, of zeros but for what was written: in memory,
 * of any size. It notes flushes, and fails with what a test sets.
 */
export class SparseDevice extends SyncDevice {
  /** @type {unknown} */ failure;
  flushes = 0;

  /** @param {number} size @param {{readOnly?: boolean, content?: Record<number, Uint8Array>}} [options] content by offset, in sectors that nothing else shares */
  constructor(size, { readOnly = false, content = {} } = {}) {
    const sectors = /** @type {Map<number, Uint8Array>} */ (new Map());
    /** @param {number} offset @param {number} length @param {(sector: Uint8Array, at: number) => void} visit */
    const each = (offset, length, visit) => {
      if (this.failure) throw this.failure;
      for (let done = 0; done < length;) {
        const number = Math.floor((offset + done) / 512), from = (offset + done) % 512;
        const count = Math.min(512 - from, length - done);
        const sector = sectors.get(number) ?? new Uint8Array(512);
        sectors.set(number, sector);
        visit(sector.subarray(from, from + count), done);
        done += count;
      }
    };
    const write = (/** @type {Uint8Array} */ bytes, /** @type {number} */ offset) => each(offset, bytes.length, (sector, at) => sector.set(bytes.subarray(at, at + sector.length)));
    super({
      facts: { size, readOnly, blockSize: { minimum: 1, preferred: 4096, maximumPayload: 1 << 20 } }, pieceSize: 1 << 20, write,
      read: (into, offset) => each(offset, into.length, (sector, at) => into.set(sector, at)),
      flush: () => { if (this.failure) throw this.failure; this.flushes++; },
      trim() {}, close() {},
    });
    for (const [offset, bytes] of Object.entries(content)) write(bytes, Number(offset));
  }
}
