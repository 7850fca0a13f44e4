import { NbdError } from "../../client/errors.js";

/** @typedef {import("../../client/storage/file.js").StoreFile} StoreFile */
/** @typedef {import("../../client/storage/file.js").StoreFolder} StoreFolder */
/** @typedef {import("./random.js").Random} Random */

/** What is written or lost as one. */
const sector = 512;

/** @typedef {{offset: number, bytes: Uint8Array} | {size: number}} Change */

/** A file as the machine has it: what is durable, and what was done since. */
class FakeContent {
  now = new Uint8Array(0);
  length = 0;
  durable = new Uint8Array(0);
  /** @type {Change[]} */ changes = [];

  /** @param {Change} change */
  apply(change) {
    if ("size" in change) this.#resize(change.size);
    else {
      this.#resize(Math.max(this.length, change.offset + change.bytes.length));
      this.now.set(change.bytes, change.offset);
    }
  }

  /** @param {number} size */
  #resize(size) {
    if (size > this.now.length) {
      const grown = new Uint8Array(size * 2);
      grown.set(this.now.subarray(0, this.length));
      this.now = grown;
    }
    if (size < this.length) this.now.fill(0, size, this.length);
    this.length = size;
  }

  get bytes() { return this.now.subarray(0, this.length); }

  flush() {
    if (this.changes.length === 0) return;
    this.durable = this.bytes.slice();
    this.changes = [];
  }

  /** Only some sectors of some changes have reached the disk. @param {Random} random */
  crash(random) {
    const changes = this.changes.filter(() => random.chance(70));
    this.now = this.durable.slice();
    this.length = this.now.length;
    for (const change of changes.flatMap((c) => random.chance(40) ? torn(c, random) : [c])) this.apply(change);
    this.durable = this.bytes.slice();
    this.changes = [];
  }
}

/**
 * What is left of a change: of a write, some sectors.
 * @param {Change} change
 * @param {Random} random
 * @returns {Change[]}
 */
function torn(change, random) {
  if ("size" in change) return [change];
  /** @type {Change[]} */ const left = [];
  const end = change.offset + change.bytes.length;
  for (let at = change.offset, next = at; at < end; at = next) {
    next = Math.min(Math.floor(at / sector + 1 + random.below(4)) * sector, end);
    if (random.chance(50)) left.push({ offset: at, bytes: change.bytes.subarray(at - change.offset, next - change.offset) });
  }
  return left;
}

/**
 * A machine with folders in memory, which goes down when a test says so. Its
 * files behave as badly as storage/file.js allows.
 */
export class FakeDisk {
  /** @type {Map<string, FakeContent>} */ files = new Map();
  /** Files that were removed, and may be back after a crash. @type {Map<string, FakeContent>} */ removed = new Map();
  /** Bytes that all files may have together. */ limit = Infinity;
  /** Called before each operation, it may wait and throw. @type {(method: string, name: string) => unknown} */ before = async () => {};
  /** Ended with the last life. */ #life = { over: false };
  #calls = 0;

  /** @param {Random} random */
  constructor(random) { this.random = random; }

  /** How many operations there were. */
  get calls() { return this.#calls; }

  get bytes() { return [...this.files.values()].reduce((sum, { length }) => sum + length, 0); }

  /** The page ends: nothing more that it asked for happens. */
  kill() {
    this.#life.over = true;
    this.#life = { over: false };
  }

  /** The machine goes down: of what was not flushed any part is lost. */
  crash() {
    this.kill();
    for (const [name, content] of this.removed) if (!this.files.has(name) && this.random.chance(50)) this.files.set(name, content);
    this.removed.clear();
    for (const content of this.files.values()) content.crash(this.random);
  }

  /** @returns {StoreFolder} */
  folder() {
    const life = this.#life;
    let last = Promise.resolve();
    let closed = false;
    /** @template T @param {string} method @param {string} name @param {() => T} task @returns {Promise<T>} */
    const run = (method, name, task) => {
      const done = last.then(async () => {
        if (life.over) return /** @type {Promise<never>} */ (new Promise(() => {})); // nobody is there to hear
        if (closed) throw new NbdError("CLOSED", "The folder was closed.");
        this.#calls++;
        await this.before(method, name);
        if (life.over) return /** @type {Promise<never>} */ (new Promise(() => {}));
        return task();
      });
      last = done.then(() => {}, () => {});
      return done;
    };
    return {
      open: (name) => run("open", name, () => this.#open(name, run)),
      remove: (name) => run("remove", name, () => this.#remove(name)),
      close: () => run("close", "", () => { closed = true; }).catch(() => {}),
    };
  }

  /** @param {string} name */
  #remove(name) {
    const content = this.files.get(name);
    if (!content) throw new NbdError("EIO", `There is no file ${name}.`);
    this.removed.set(name, content);
    this.files.delete(name);
  }

  /**
   * @param {string} name
   * @param {<T>(method: string, name: string, task: () => T) => Promise<T>} run
   * @returns {StoreFile}
   */
  #open(name, run) {
    const content = this.files.get(name) ?? new FakeContent();
    this.files.set(name, content);
    const change = (/** @type {Change} */ c) => (content.apply(c), void content.changes.push(c));
    return {
      size: () => run("size", name, () => content.length),
      read: (offset, length) => run("read", name, () => content.bytes.slice(offset, offset + length)),
      write: (offset, bytes) => {
        const taken = structuredClone(bytes, { transfer: [bytes.buffer] });
        return run("write", name, () => this.#write(content, offset, taken, change));
      },
      truncate: (size) => run("truncate", name, () => {
        this.#reserve(content, size);
        change({ size });
      }),
      flush: () => run("flush", name, () => content.flush()),
      close: () => run("close", name, () => {}),
    };
  }

  /** @param {FakeContent} content @param {number} offset @param {Uint8Array} bytes @param {(c: Change) => void} change */
  #write(content, offset, bytes, change) {
    try {
      this.#reserve(content, offset + bytes.length);
    } catch (error) {
      const part = Math.min(this.random.below(bytes.length), Math.max(content.length - offset, 0));
      if (part > 0) change({ offset, bytes: bytes.subarray(0, part) });
      throw error;
    }
    change({ offset, bytes });
  }

  /** @param {FakeContent} content @param {number} end */
  #reserve(content, end) {
    if (end > content.length && this.bytes + end - content.length > this.limit) throw new NbdError("ENOSPC", "The fake disk is full.");
  }
}
