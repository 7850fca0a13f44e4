// What the machine has read of its export, as SHA-256 digests of lines.
//
// The changes of a guest, and a saved state even more, are worth nothing over
// an export that has become another: file systems would be mixed. The identity
// of a disk names bridge, export, size and the server's key, and not the
// content, so the page keeps a digest of each line that it has read, and holds
// what it reads later to it. What it never read, it does not know: nothing of
// the machine depends on that.
import { NbdError } from "../../client/index.js";

/** Bytes of a line, that of the cache above. */
export const lineSize = 256 << 10;
/** Lines that are remembered at most, 16 GiB of an export in 3 MiB; the first that were read stay. */
const limit = 65_536;
const digestSize = 32;
const magic = 0x6d76626e; // "nbvm"
const version = 1;
const head = 16, entry = 4 + digestSize;

/** Digests of the lines of one export. */
export class Digests {
  /** Where a line's digest lies. @type {Map<number, number>} */ #slots = new Map();
  #bytes = new Uint8Array(64 * digestSize);
  /** Counts changes, so that whoever keeps them sees what is new. */ changes = 0;

  get count() { return this.#slots.size; }

  /** Lines that are known, in order. */
  lines() {
    return [...this.#slots.keys()].sort((a, b) => a - b);
  }

  /** @param {number} line @returns {Uint8Array | undefined} */
  get(line) {
    const slot = this.#slots.get(line);
    return slot === undefined ? undefined : this.#bytes.subarray(slot * digestSize, (slot + 1) * digestSize);
  }

  /** @param {number} line @param {Uint8Array} digest */
  set(line, digest) {
    if (this.#slots.has(line) || this.#slots.size === limit) return;
    const slot = this.#slots.size;
    if ((slot + 1) * digestSize > this.#bytes.length) this.#grow();
    this.#bytes.set(digest, slot * digestSize);
    this.#slots.set(line, slot);
    this.changes++;
  }

  #grow() {
    const larger = new Uint8Array(2 * this.#bytes.length);
    larger.set(this.#bytes);
    this.#bytes = larger;
  }

  /** Knows what others know, and nothing else. @param {Digests} others */
  become(others) {
    this.#slots.clear();
    for (const line of others.lines()) this.set(line, /** @type {Uint8Array} */ (others.get(line)));
    this.changes++;
  }

  /**
   * As bytes, little-endian: magic, version, bytes of a line and the count as
   * u32, and for each line its number (u32) and its digest.
   * @returns {Uint8Array<ArrayBuffer>}
   */
  encode() {
    const bytes = new Uint8Array(head + this.count * entry);
    const view = new DataView(bytes.buffer);
    [magic, version, lineSize, this.count].forEach((n, i) => view.setUint32(4 * i, n, true));
    let at = head;
    for (const [line, slot] of this.#slots) {
      view.setUint32(at, line, true);
      bytes.set(this.#bytes.subarray(slot * digestSize, (slot + 1) * digestSize), at + 4);
      at += entry;
    }
    return bytes;
  }

  /**
   * @param {Uint8Array} bytes
   * @returns {Digests} throws EIO for what encode did not make
   */
  static decode(bytes) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const words = bytes.length < head ? [] : [0, 4, 8, 12].map((at) => view.getUint32(at, true));
    const [kind, v, size, count] = words;
    if (kind !== magic || v !== version || size !== lineSize || count > limit || bytes.length !== head + count * entry) throw damaged();
    const digests = new Digests();
    for (let at = head; at < bytes.length; at += entry) digests.set(view.getUint32(at, true), bytes.subarray(at + 4, at + entry));
    return digests;
  }
}

function damaged() {
  return new NbdError("EIO", "What this browser has noted of the export is damaged, so nobody can tell whether the export is still the same. Discard the changes, and forget the saved state, to start afresh.", {}, { stage: "client" });
}

/**
 * @param {Uint8Array} a
 * @param {Uint8Array} b
 */
export function same(a, b) {
  return a.length === b.length && a.every((n, i) => n === b[i]);
}
