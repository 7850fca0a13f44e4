// Facts that outlive the page. They are kept twice, in two files that are
// written in turn: whatever ends the page while one is written, the other is
// whole.
import { NbdError } from "../../../client/index.js";
import { crc32 } from "../../../client/storage/crc32.js";

const magic = 0x7161626e; // "nbaq"
/** Magic, sequence, length of the JSON and CRC of all three, as u32, little-endian. */
const head = 16;
/** Bytes of JSON at most: the frames of 2 TiB in zstd, and a log that is full. */
const longest = 64 << 20;

/** @typedef {import("../../../client/storage/file.js").StoreFolder} StoreFolder */
/** @typedef {import("../../../client/storage/file.js").StoreFile} StoreFile */
/** @typedef {{sequence: number, value: any}} Entry */

/** Names of the two files. @param {string} name */
export const namesOf = (name) => [`${name}-0`, `${name}-1`];

/** @param {number} sequence @param {unknown} value of JSON @returns {Uint8Array<ArrayBuffer>} */
export function encodeEntry(sequence, value) {
  const json = new TextEncoder().encode(JSON.stringify(value));
  if (json.length > longest) throw new NbdError("ENOSPC", "What must be remembered of the acquisition has become larger than 64 MiB. Save the log, and acquire the rest, a part at a time.", {}, { stage: "client" });
  const bytes = new Uint8Array(head + json.length);
  const view = new DataView(bytes.buffer);
  [magic, sequence, json.length].forEach((n, i) => view.setUint32(4 * i, n, true));
  bytes.set(json, head);
  view.setUint32(12, checksum(bytes, json.length), true);
  return bytes;
}

/**
 * @param {Uint8Array} bytes of a file, as they were found
 * @returns {Entry | undefined} nothing if it is none, or torn
 */
export function decodeEntry(bytes) {
  if (bytes.length < head) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [kind, sequence, length, crc] = [0, 4, 8, 12].map((at) => view.getUint32(at, true));
  if (kind !== magic || length > bytes.length - head || crc !== checksum(bytes, length)) return undefined;
  return { sequence, value: JSON.parse(new TextDecoder().decode(bytes.subarray(head, head + length))) };
}

/** @param {Uint8Array} bytes @param {number} length of the JSON in them */
const checksum = (bytes, length) => crc32(bytes.subarray(head, head + length), crc32(bytes.subarray(0, 12)));

/** @param {(Entry | undefined)[]} entries @returns {Entry | undefined} */
export function newest(entries) {
  return entries.reduce((best, entry) => entry && (!best || entry.sequence > best.sequence) ? entry : best, undefined);
}

/** The two files of one value. */
export class Twin {
  #files;
  #sequence;
  /** Where the next one goes. */ #turn;
  /** @type {Promise<unknown>} */ #last = Promise.resolve();
  /** What was found, or written last. @type {any} */ value;

  /** @param {StoreFile[]} files @param {(Entry | undefined)[]} entries that are in them */
  constructor(files, entries) {
    const best = newest(entries);
    this.#files = files;
    this.#sequence = best?.sequence ?? 0;
    this.#turn = best && best === entries[0] ? 1 : 0;
    this.value = best?.value;
  }

  /** @param {StoreFolder} folder @param {string} name */
  static async open(folder, name) {
    const files = await Promise.all(namesOf(name).map((file) => folder.open(file)));
    const entries = await Promise.all(files.map(async (file) => decodeEntry(await file.read(0, head + longest))));
    return new Twin(files, entries);
  }

  /**
   * Fulfils when the value is durable; one that failed leaves the one before.
   * @param {unknown} value
   * @returns {Promise<void>} rejects with ENOSPC where there is no room
   */
  write(value) {
    const done = this.#last.then(() => this.#write(value));
    this.#last = done.catch(() => {});
    return done;
  }

  /** @param {unknown} value */
  async #write(value) {
    const file = this.#files[this.#turn];
    await file.write(0, encodeEntry(this.#sequence + 1, value));
    await file.flush();
    this.#sequence++;
    this.#turn = 1 - this.#turn;
    this.value = value;
  }
}
