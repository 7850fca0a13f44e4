import { RangeLock } from "../layers/rangelock.js";
import { guard } from "../lifecycle.js";
import { mapBounded } from "../signals.js";
import { attempts } from "./attempts.js";
import { PendingWrites } from "./pending.js";

/** Milliseconds from a write to the flush that follows it. */
const flushAfter = 1000;
/** Bytes that "back" holds before it lets the guest wait. */
export const dirtyLimit = 8 << 20;
/** Writes of one flush that are under way at once. */
const writesAtOnce = 4;

/** @typedef {import("./pending.js").Write} Write */

/**
 * When a write of the guest's is done: "overlay" and "through": when the device
 * has it, "back": at once.
 * @typedef {"overlay" | "through" | "back"} WritePolicy
 */

/**
 * @typedef {object} Surroundings
 * @property {() => boolean} inVain the device has ended
 * @property {(error: unknown) => void} fail tells what nobody waits for
 * @property {() => void} changed the amount that is pending has changed
 */

/** Takes what the guest writes to its device. */
export class Writes {
  pending = new PendingWrites();
  #device;
  #policy;
  #around;
  #lock = new RangeLock();
  #guard = guard({ flush: () => this.#flushAlone() });
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #timer;
  /** The device may have to be flushed. */ #unflushed = false;
  /** Why the last write failed. @type {unknown} */ #failure;
  #fua;

  /**
   * @param {import("../device.js").BlockDevice} device
   * @param {WritePolicy} policy
   * @param {Surroundings} around
   */
  constructor(device, policy, around) {
    this.#device = device;
    this.#policy = policy;
    this.#around = around;
    this.#fua = policy === "through";
  }

  /**
   * Accepts a write before it returns: reads that come later see it.
   * @param {number} from
   * @param {Uint8Array<ArrayBuffer>} bytes nobody else may change them
   * @returns {Promise<void>} fulfils when the guest may be told so
   */
  async write(from, bytes) {
    const write = this.pending.add(from, bytes);
    this.#around.changed();
    if (this.#policy !== "back") await this.#apply(write);
    if (this.#policy === "through") return;
    this.#schedule();
    if (this.pending.bytes > dirtyLimit || this.#around.inVain()) await this.flush();
  }

  /** Makes durable what was accepted, and tries again what has failed. */
  async flush() {
    this.#unschedule();
    await mapBounded(this.pending.all(), writesAtOnce, undefined, (write) => this.#apply(write));
    await this.#optional(() => this.#device.flush());
    if (this.pending.bytes > 0 || this.#timer) return;
    this.#unflushed = false;
    this.#guard.risk(false);
  }

  /** Whether something would be lost now. */
  get atRisk() {
    return this.pending.bytes > 0 || this.#unflushed;
  }

  /** Whether the guest was told that something is written which would be lost now. */
  get owed() {
    return this.#policy === "back" && this.atRisk;
  }

  /** Waits for what is under way, and forgets what failed. */
  async abandon() {
    await Promise.allSettled(this.pending.all().map((write) => write.underWay));
    for (const write of this.pending.all()) this.pending.remove(write);
    this.#around.changed();
  }

  /** No flush by itself any more. */
  end() {
    this.#unschedule();
    this.#guard.end();
  }

  #schedule() {
    this.#unflushed = true;
    this.#guard.risk(true);
    if (this.pending.bytes > dirtyLimit / 2) this.#flushAlone();
    else this.#timer ??= setTimeout(() => this.#flushAlone(), flushAfter);
  }

  #unschedule() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  async #flushAlone() {
    await this.flush().catch((error) => this.#around.fail(error));
  }

  /** @param {Write} write @returns {Promise<void>} */
  #apply(write) {
    return write.underWay ??= this.#lock.with(write.from, write.to, true, undefined, () => this.#inTurn(write));
  }

  /**
   * A write that failed stays, for flush to try it again; until then none may
   * come over it that would be undone by it.
   * @param {Write} write
   */
  async #inTurn(write) {
    try {
      if (!this.pending.has(write)) return;
      if (this.pending.hasBefore(write)) throw this.#failure;
      await attempts(() => this.#put(write), this.#around.inVain);
      this.pending.remove(write);
      this.#around.changed();
    } catch (error) {
      write.underWay = undefined;
      this.#failure = error;
      throw error;
    }
  }

  /** @param {Write} write */
  async #put({ from, bytes }) {
    try {
      await this.#device.write(from, bytes, { fua: this.#fua });
    } catch (/** @type {any} */ error) {
      if (error?.code !== "ENOTSUP" || !this.#fua) throw error;
      this.#fua = false; // neither fua nor flush: nothing more can be promised
      await this.#device.write(from, bytes);
    }
  }

  /** @param {() => Promise<void>} flush which not every export offers */
  async #optional(flush) {
    try {
      await attempts(flush, this.#around.inVain);
    } catch (/** @type {any} */ error) {
      if (error?.code !== "ENOTSUP") throw error;
    }
  }
}
