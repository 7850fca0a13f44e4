// A server that promises of several connections no more than NBD does, and
// connections to it that are made again, as the worker has them.
import { facts } from "./fake-worker.js";

/** What a block of the disk holds is told by its first byte: all of them are the same. */
export const blockSize = 256 << 10;

/**
 * What one connection writes is seen by others after a flush only, whichever
 * asked for it; until then two that wrote to the same block may win in either
 * order. A crash loses all of it.
 */
export class FakeServer {
  /** @type {FakeConnection[]} */ connections = [];
  /** What is asked of it, as "0: zero". @type {string[]} */ log = [];

  /** @param {number} blocks @param {() => number} random from 0 to 1 */
  constructor(blocks, random) {
    this.durable = new Uint8Array(blocks);
    this.random = random;
  }

  /** The answers of the next worker. */
  connect() {
    const connection = new FakeConnection(this, this.connections.length);
    this.connections.push(connection);
    return connection.answers();
  }

  /** Loses what was not flushed, and every connection. */
  crash() {
    for (const c of this.connections) c.lose();
  }

  /** Loses one connection; the server may have written what it got, or not. @param {number} i */
  cut(i) {
    if (this.random() < 0.5) this.#commit(this.connections[i]);
    this.connections[i].lose();
  }

  flush() {
    for (const c of shuffled(this.connections, this.random)) this.#commit(c);
  }

  /** @param {FakeConnection} connection */
  #commit({ written }) {
    for (const [block, value] of written) this.durable[block] = value;
    written.clear();
  }
}

/** One worker's connection, with its journal. */
class FakeConnection {
  /** At the server, for this connection's eyes. @type {Map<number, number>} */ written = new Map();
  /** Acknowledged, not flushed. @type {Map<number, number>} */ #kept = new Map();
  /** Changes under way: those that overlap are made one after the other. @type {Set<{from: number, to: number, done: Promise<void>}>} */ #changing = new Set();
  #losses = 0;
  #mended = 0;

  /** @param {FakeServer} server @param {number} index */
  constructor(server, index) {
    this.server = server;
    this.index = index;
  }

  lose() {
    this.written.clear();
    this.#losses++;
  }

  /** Lets others run for a while. */
  async #pause() {
    for (let n = this.server.random() * 4; n > 1; n--) await new Promise(setImmediate);
  }

  /** What a new connection begins with. */
  #mend() {
    if (this.#mended === this.#losses) return;
    this.#mended = this.#losses;
    for (const [block, value] of shuffled([...this.#kept], this.server.random)) this.written.set(block, value);
  }

  /**
   * Does something on a connection, and again if it was lost meanwhile.
   * @template T
   * @param {string} name @param {() => T} effect
   * @returns {Promise<T>}
   */
  async #ask(name, effect) {
    this.server.log.push(`${this.index}: ${name}`);
    for (;;) {
      await this.#pause();
      this.#mend();
      const before = this.#losses;
      const result = effect();
      await this.#pause();
      if (before === this.#losses) return result;
    }
  }

  /** @param {string} name @param {number} offset @param {number} length @param {(block: number) => number | undefined} value */
  async #change(name, offset, length, value, keeps = true) {
    /** @type {[number, number][]} */ const changes = [];
    for (let at = offset; at < offset + length; at += blockSize) {
      const block = at / blockSize, v = value(block);
      if (v !== undefined) changes.push([block, v]);
    }
    await this.#inTurn(offset, offset + length, async () => {
      await this.#ask(name, () => {
        for (const [block, v] of changes) this.written.set(block, v), this.#kept.delete(block);
      });
      if (keeps) for (const [block, v] of changes) this.#kept.set(block, v);
    });
  }

  /** @param {number} from @param {number} to @param {() => Promise<void>} change */
  async #inTurn(from, to, change) {
    const before = [...this.#changing].filter((c) => c.from < to && from < c.to).map((c) => c.done);
    const own = { from, to, done: Promise.all(before).then(change) };
    this.#changing.add(own);
    await own.done;
    this.#changing.delete(own);
  }

  /** @param {number} block */
  #see(block) {
    return this.written.get(block) ?? this.server.durable[block];
  }

  /** @param {number} offset @param {number} length */
  #read(offset, length) {
    const bytes = new Uint8Array(length);
    for (let at = 0; at < length; at += blockSize) bytes.fill(this.#see((offset + at) / blockSize), at, at + blockSize);
    return bytes;
  }

  async #flush() {
    const acknowledged = [...this.#kept];
    await this.#ask("flush", () => this.server.flush());
    for (const [block, value] of acknowledged) if (this.#kept.get(block) === value) this.#kept.delete(block);
  }

  /** @returns {Record<string, (...args: any[]) => any>} */
  answers() {
    return {
      start: () => undefined,
      open: () => ({ ...facts, size: this.server.durable.length * blockSize }),
      read: (offset, length) => this.#ask("read", () => this.#read(offset, length)),
      write: async (offset, bytes, fua) => {
        await this.#change("write", offset, bytes.length, (block) => bytes[block * blockSize - offset]);
        if (fua) await this.#flush();
      },
      zero: (offset, length) => this.#change("zero", offset, length, () => 0),
      // Some of it goes.
      trim: (offset, length) => this.#change("trim", offset, length, () => this.server.random() < 0.5 ? 0 : undefined, false),
      flush: () => this.#flush(),
      blockStatus: (offset, length) => this.#ask("blockStatus", () => {
        const told = [];
        for (let at = offset; at < offset + length; at += blockSize) told.push(blockSize, this.#see(at / blockSize) ? 0 : 2);
        return new Uint8Array(Float64Array.from(told).buffer);
      }),
      close: () => new Promise(() => {}),
    };
  }
}

/** @template T @param {T[]} list @param {() => number} random */
function shuffled(list, random) {
  return list.map((item) => ({ item, at: random() })).sort((a, b) => a.at - b.at).map(({ item }) => item);
}
