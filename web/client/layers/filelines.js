import { LineIndex, digestSize } from "./lineindex.js";

/** @typedef {import("../storage/file.js").StoreFile} StoreFile */

/**
 * How a device is cut into lines, and how many of them may be held.
 * @typedef {object} Shape
 * @property {number} size of the device, in bytes
 * @property {number} lineSize in bytes
 * @property {number} room lines
 */

/** From so many lines on, the first and the last one of the device stay. */
const pinFrom = 4;

/**
 * Lines of a device in a file. Each is checked when it is read, so that nothing
 * needs to be durable but that a line was forgotten. What rejects is the
 * storage, and it must not be used any more then.
 */
export class FileLines {
  #file;
  #index;
  #shape;

  /** @param {StoreFile} file @param {LineIndex} index @param {Shape} shape */
  constructor(file, index, shape) {
    this.#file = file;
    this.#index = index;
    this.#shape = shape;
  }

  /**
   * @param {StoreFile} file
   * @param {StoreFile} records
   * @param {Shape} shape
   * @param {boolean} fresh forgets what is there
   */
  static async open(file, records, shape, fresh) {
    if (fresh) await records.truncate(0);
    const pinned = shape.room < pinFrom ? [] : endsOf(shape);
    const index = await LineIndex.load(records, shape.room, lineCount(shape), new Set(pinned));
    const used = fresh ? 0 : shape.room * shape.lineSize;
    if (await file.size() > used) await file.truncate(used);
    return new FileLines(file, index, shape);
  }

  get held() { return this.#index.count * this.#shape.lineSize; }

  /** Lines that are held, in no order. */
  lines() { return this.#index.lines(); }

  /** @param {number} line */
  has(line) { return this.#index.has(line); }

  /** @param {number} line @returns {[from: number, to: number]} in the device */
  range(line) {
    const { lineSize, size } = this.#shape;
    return [line * lineSize, Math.min((line + 1) * lineSize, size)];
  }

  /**
   * @param {number} line
   * @returns {Promise<Uint8Array<ArrayBuffer> | undefined>} nothing if it is not
   *   what was put there
   */
  async read(line) {
    const found = this.#index.find(line);
    if (!found) return undefined;
    const [from, to] = this.range(line);
    const bytes = await this.#file.read(found.slot * this.#shape.lineSize, to - from);
    if (sameBytes(await digestOf(bytes), found.digest)) return bytes;
    const now = this.#index.find(line);
    if (now && sameBytes(now.digest, found.digest)) await this.#index.forget(line);
    return undefined;
  }

  /** Counts a line as used. @param {number} line */
  touch(line) { return this.#index.touch(line); }

  /**
   * @param {number} line
   * @param {Uint8Array<ArrayBuffer>} bytes they are taken over
   * @param {() => boolean} unwanted whether the content has become doubtful
   */
  async put(line, bytes, unwanted) {
    const digest = await digestOf(bytes);
    if (unwanted() || this.has(line)) return;
    const slot = await this.#index.reserve();
    if (slot === undefined || !await this.#fill(slot, bytes)) return;
    if (unwanted() || this.has(line)) this.#index.release(slot);
    else await this.#index.put(line, slot, digest);
  }

  /**
   * Where there is no room for more, those that are held must do.
   * @param {number} slot
   * @param {Uint8Array<ArrayBuffer>} bytes
   */
  async #fill(slot, bytes) {
    try {
      await this.#file.write(slot * this.#shape.lineSize, bytes);
      return true;
    } catch (/** @type {any} */ error) {
      if (error?.code !== "ENOSPC") throw error;
      const end = Math.floor(await this.#file.size() / this.#shape.lineSize);
      if (slot < end) this.#index.release(slot);
      this.#index.limit(end);
      return false;
    }
  }

  /**
   * Forgets every line that a range touches, durably.
   * @param {number} from
   * @param {number} to
   */
  async forget(from, to) {
    const { lineSize } = this.#shape;
    const [first, end] = [Math.floor(from / lineSize), Math.ceil(to / lineSize)];
    const lines = end - first > this.#index.count
      ? this.lines().filter((line) => line >= first && line < end)
      : Array.from({ length: end - first }, (_, i) => first + i);
    await Promise.all(lines.map((line) => this.#index.forget(line)));
    if (this.#index.mayReturn) await this.#index.flush();
  }

  /** What was put is still there then when the machine goes down. */
  async flush() {
    await Promise.all([this.#file.flush(), this.#index.flush()]);
  }
}

/** The first and the last line: they tell most of a disk. @param {{size: number, lineSize: number}} shape */
export function endsOf(shape) {
  const count = lineCount(shape);
  return count > 1 ? [0, count - 1] : [0].slice(0, count);
}

/** @param {{size: number, lineSize: number}} shape */
export function lineCount({ size, lineSize }) { return Math.ceil(size / lineSize); }

/** @param {Uint8Array<ArrayBuffer>} bytes */
async function digestOf(bytes) {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes), 0, digestSize);
}

/** @param {Uint8Array} a @param {Uint8Array} b */
export function sameBytes(a, b) {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
