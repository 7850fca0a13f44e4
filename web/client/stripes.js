import { lossOf } from "./connection.js";
import { NbdError } from "./errors.js";
import { extentsOf } from "./extents.js";
import { Gate } from "./gate.js";
import { mapBounded, unlessAborted } from "./signals.js";

/** How much of a disk in a row goes over one connection, in bytes. */
const stripe = 1 << 20;
/** Pieces of one operation that are under way at once. */
const piecesAtOnce = 16;
/** Into how many pieces a zero or trim is cut; what needs more goes as a whole. */
const maxPieces = 64;

/** @typedef {import("./connection.js").Connection} Connection */
/** @typedef {import("./device.js").Driver} Driver */
/** @typedef {{signal?: AbortSignal}} CallOptions */
/** @typedef {{connection: Connection, offset: number, length: number}} Piece */

/**
 * Deals a disk out to its connections, stripe by stripe: stripe i belongs to
 * connection i modulo their number.
 *
 * A connection that was lost is made again, and then it first sends again what
 * it has written and not flushed, since the server may have lost that. It keeps
 * newer bytes from older ones only among its own. So every read and change of a
 * byte goes over the connection of its stripe: what that keeps can't meet the
 * newer bytes of another, and its reads see its writes, flushed or not.
 *
 * A zero or trim of very much (wide) is the exception, and goes over the first
 * connection as a whole. Two things must not happen later: another connection
 * sends again what is older than the zeros, or the first one sends the zeros
 * again over what is newer. Therefore a wide change
 *
 * - is alone: no other change is under way, which could be acknowledged, and
 *   kept, with the zeros already there;
 * - begins with a flush of all connections, after which none keeps anything;
 * - ends with another, before it fulfils and others go on: of the first for the
 *   zeros, and of the others for a change that was aborted just when its answer
 *   came. Should it fail, the next change has to make up for it first.
 *
 * It is not aborted once it was sent, since nobody would know then when it is
 * over. With one connection there is one order, and none of this.
 */
export class Stripes {
  #all;
  #first;
  #gate = new Gate();
  /** A wide change may be kept. */ #unsettled = false;
  /** Why a flush failed that nobody had asked for. @type {unknown} */ #owed;

  /** @param {Connection[]} connections of the same export, at least one */
  constructor(connections) {
    this.#all = connections;
    this.#first = connections[0];
  }

  /** @returns {Pick<Driver, "read" | "flush" | "blockStatus"> & Partial<Driver>} what the export can do */
  driver() {
    const { features, readOnly } = this.#first.facts;
    return {
      read: (offset, length, { signal }) => this.#read(offset, length, signal),
      flush: ({ signal }) => this.#flush(signal),
      blockStatus: (offset, length, { signal }) => this.#blockStatus(offset, length, signal),
      ...(!readOnly && {
        write: (offset, bytes, { signal, fua }) => this.#write(offset, bytes, fua, signal),
        ...(features.trim && { trim: (offset, length, { signal }) => this.#change("trim", offset, length, [], signal) }),
        ...(features.zero && { zero: (offset, length, { signal, unmap }) => this.#change("zero", offset, length, [unmap], signal) }),
      }),
    };
  }

  /** What flushes of ours found to be lost, and no flush of the caller's has told. */
  get loss() { return lossOf(this.#owed); }

  /** Whether changes are under way or not flushed. */
  get atRisk() { return this.#all.some((c) => c.atRisk); }

  /** @param {number} offset @param {number} length */
  #pieceCount(offset, length) {
    return this.#all.length === 1 ? 1 : Math.floor((offset + length - 1) / stripe) - Math.floor(offset / stripe) + 1;
  }

  /** @param {number} offset @returns {Connection} */
  #at(offset) {
    return this.#all[Math.floor(offset / stripe) % this.#all.length];
  }

  /**
   * Does something to each piece of a range, over the connection of its stripe.
   * @param {number} offset
   * @param {number} length
   * @param {AbortSignal | undefined} signal
   * @param {(piece: Piece, signal?: AbortSignal) => Promise<void>} task
   */
  async #each(offset, length, signal, task) {
    /** @type {Piece[]} */ const pieces = [];
    for (let at = offset, end = offset + length; at < end;) {
      const next = Math.min((Math.floor(at / stripe) + 1) * stripe, end);
      pieces.push({ connection: this.#at(at), offset: at, length: next - at });
      at = next;
    }
    await mapBounded(pieces, piecesAtOnce, signal, task);
  }

  /** @param {number} offset @param {number} length @param {AbortSignal} [signal] */
  async #read(offset, length, signal) {
    if (this.#pieceCount(offset, length) === 1) return this.#at(offset).read(offset, length, signal);
    const whole = allocate(length);
    await this.#each(offset, length, signal, async (piece, scope) => {
      whole.set(await piece.connection.read(piece.offset, piece.length, scope), piece.offset - offset);
    });
    return whole;
  }

  /** @param {number} offset @param {Uint8Array<ArrayBuffer>} bytes @param {boolean} fua @param {AbortSignal} [signal] */
  async #write(offset, bytes, fua, signal) {
    if (this.#pieceCount(offset, bytes.length) === 1) return this.#narrow(signal, () => this.#at(offset).write(offset, bytes, fua, signal));
    await this.#narrow(signal, () => this.#each(offset, bytes.length, signal, (piece, scope) => {
      const from = piece.offset - offset;
      return piece.connection.write(piece.offset, bytes.slice(from, from + piece.length), fua, scope);
    }));
  }

  /**
   * @param {"trim" | "zero"} method
   * @param {number} offset
   * @param {number} length
   * @param {unknown[]} more arguments
   * @param {AbortSignal} [signal]
   */
  async #change(method, offset, length, more, signal) {
    const count = this.#pieceCount(offset, length);
    if (count === 1) return this.#narrow(signal, () => this.#at(offset).change(method, [offset, length, ...more], { signal }));
    if (count > maxPieces) return this.#wide(method, [offset, length, ...more], signal);
    await this.#narrow(signal, () => this.#each(offset, length, signal, (piece, scope) =>
      piece.connection.change(method, [piece.offset, piece.length, ...more], { signal: scope })));
  }

  /**
   * @param {AbortSignal | undefined} signal
   * @param {() => Promise<void>} change
   */
  #narrow(signal, change) {
    return this.#gate.pass(signal, async () => {
      if (this.#unsettled) await unlessAborted(this.#settle(), signal);
      return change();
    });
  }

  /** @param {string} method @param {unknown[]} args @param {AbortSignal} [signal] */
  #wide(method, args, signal) {
    return unlessAborted(this.#gate.alone(async () => {
      signal?.throwIfAborted();
      await this.#sync(this.#all);
      this.#unsettled = true;
      try {
        await this.#first.change(method, args);
      } finally {
        await this.#settle();
      }
    }), signal);
  }

  async #settle() {
    await this.#sync(this.#all);
    this.#unsettled = false;
  }

  /** A flush of ours. What it can't promise, the next flush of the caller's must tell. @param {Connection[]} connections */
  async #sync(connections) {
    if (!this.#first.facts.features.flush) return;
    try {
      await flushEach(connections);
    } catch (error) {
      this.#owed = error;
      throw error;
    }
  }

  /** Makes everything durable without being asked to. */
  async rescue() {
    await this.#sync(this.#all.filter((c) => c.atRisk));
  }

  /** @param {AbortSignal} [signal] */
  async #flush(signal) {
    await flushEach(this.#all, signal);
    const owed = this.#owed;
    this.#owed = undefined;
    if (owed) throw owed;
  }

  /**
   * One question about many stripes is asked on the first connection, once it
   * can know what the others did.
   * @param {number} offset @param {number} length @param {AbortSignal} [signal]
   */
  async #blockStatus(offset, length, signal) {
    const many = this.#pieceCount(offset, length) > 1;
    if (many) await unlessAborted(this.#sync(this.#all.filter((c) => c.unflushed && c !== this.#first)), signal);
    const connection = many ? this.#first : this.#at(offset);
    return extentsOf((at, rest) => connection.call("blockStatus", [at, rest], { signal }), offset, length);
  }

  /** @param {number} offset @param {number} length @param {AbortSignal} [signal] */
  async cache(offset, length, signal) {
    await this.#first.call("cache", [offset, length], { signal });
  }

  /** @param {number} timeout in milliseconds @param {AbortSignal} [signal] */
  async check(timeout, signal) {
    const answers = await Promise.all(this.#all.map((c) => c.call("check", [timeout], { signal })));
    return answers.every(Boolean);
  }
}

/** Waits for all of them, and then tells the first failure. @param {Connection[]} connections @param {AbortSignal} [signal] */
async function flushEach(connections, signal) {
  const results = await Promise.allSettled(connections.map((c) => c.flush(signal)));
  for (const result of results) if (result.status === "rejected") throw result.reason;
}

/** @param {number} length */
function allocate(length) {
  try {
    return new Uint8Array(length);
  } catch (error) {
    throw new NbdError("INVALID_ARGUMENT", `${length} bytes do not fit in memory (${error}): ask for less at a time.`);
  }
}
