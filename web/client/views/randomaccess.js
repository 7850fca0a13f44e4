import { checkDevice } from "../checks.js";
import { NbdError, invalid } from "../errors.js";
import { Emitter } from "./emitter.js";
import { within } from "./within.js";

/** @typedef {import("../device.js").BlockDevice} BlockDevice */

/**
 * @template {unknown[]} [Values=[]]
 * @typedef {(error: Error | null, ...values: Values) => void} Callback an
 *   NbdError, or null and what was asked for
 */

const noop = () => {};

/**
 * A device as a storage of npm's random-access-storage. Its size stays as it
 * is: what would change it fails.
 * @param {BlockDevice} device
 * @returns {RandomAccess}
 */
export function asRandomAccessStorage(device) {
  return new RandomAccess(checkDevice(device));
}

/**
 * Reads, writes, del and stat go side by side, and open the storage by
 * themselves. open, suspend and close wait for what was called before them,
 * and hold up what is called after. Callbacks come later, never at once, and
 * what they throw is reported like any uncaught error.
 */
export class RandomAccess extends Emitter {
  #device;
  /** Of what holds up the others: the last one. @type {Promise<unknown>} */ #last = Promise.resolve();
  /** What it has to wait for. @type {Set<Promise<unknown>>} */ #sideBySide = new Set();
  #needsOpen = true;
  readable = true;
  statable = true;
  truncatable = false;
  opened = false;
  suspended = false;
  closed = false;
  unlinked = false;
  /** Whether anything was to be changed. */
  writing = false;

  /** @param {BlockDevice} device */
  constructor(device) {
    super();
    this.#device = device;
    this.writable = this.deletable = !device.readOnly;
  }

  /**
   * @param {number} offset
   * @param {number} size in bytes; beyond the end it fails with OUT_OF_RANGE
   * @param {Callback<[bytes: Uint8Array]>} callback gets a Buffer where there are any
   */
  read(offset, size, callback) {
    this.#share(callback, async () => bufferOf(await this.#device.read(offset, size)));
  }

  /**
   * @param {number} offset
   * @param {Uint8Array} data must stay as it is until the callback
   * @param {Callback} [callback]
   */
  write(offset, data, callback) {
    this.writing = true;
    this.#share(callback, () => this.#device.write(offset, data));
  }

  /**
   * Leaves zeros, and gives the room free where the export can.
   * @param {number} offset
   * @param {number} size in bytes; it ends where the device does
   * @param {Callback} [callback]
   */
  del(offset, size, callback) {
    this.writing = true;
    this.#share(callback, () => {
      const range = within(offset, size, this.#device.size);
      return this.#device.zero(range.offset, range.length, { unmap: true });
    });
  }

  /** Fails with ENOTSUP. @param {number} offset @param {Callback} [callback] */
  truncate(offset, callback) {
    this.writing = true;
    this.#share(callback, async () => { throw refusal("cut off"); });
  }

  /** @param {Callback<[{size: number}]>} callback */
  stat(callback) {
    this.#share(callback, async () => ({ size: this.#device.size }));
  }

  /** @param {Callback} [callback] */
  open(callback) {
    this.#needsOpen = false;
    this.#alone(callback, async () => {
      if (this.opened && !this.suspended) return;
      if (this.closed) throw closedError();
      if (this.suspended) this.#become("suspended", false, "unsuspend");
      if (!this.opened) this.#become("opened", true, "open");
    });
  }

  /** The device stays open: there is no way to open it again. @param {Callback} [callback] */
  suspend(callback) {
    this.#needsOpen = true;
    this.#alone(callback, async () => {
      if (this.closed || this.suspended) return;
      await this.#flush();
      this.#become("suspended", true, "suspend");
    });
  }

  /** Flushes, and closes the device. If the flush fails, it stays open. @param {Callback} [callback] */
  close(callback) {
    this.#alone(callback, async () => {
      if (this.closed) return;
      await this.#flush();
      await this.#device.close();
      this.#become("closed", true, "close");
    });
  }

  /** Closes, and then fails with ENOTSUP. @param {Callback} [callback] */
  unlink(callback) {
    this.close();
    this.#alone(callback, async () => { throw refusal("deleted"); });
  }

  async #flush() {
    if (this.writing) await this.#device.flush().catch(unlessMissing);
  }

  /** @param {"opened" | "suspended" | "closed"} state @param {boolean} value @param {string} event */
  #become(state, value, event) {
    this[state] = value;
    this.emit(event);
  }

  /**
   * @template Value
   * @param {Callback<any> | undefined} callback
   * @param {() => Promise<Value>} work
   */
  #share(callback, work) {
    const answer = answerer(callback);
    if (this.#needsOpen) this.open();
    const done = this.#last.then(() => {
      if (this.closed) throw closedError();
      return work();
    });
    const over = () => { this.#sideBySide.delete(done); };
    this.#sideBySide.add(done);
    done.then(over, over);
    answer(done);
  }

  /** @param {Callback | undefined} callback @param {() => Promise<void>} work */
  #alone(callback, work) {
    const answer = answerer(callback);
    const done = Promise.allSettled([this.#last, ...this.#sideBySide]).then(work);
    this.#last = done.catch(noop); // told by its callback
    answer(done);
  }
}

/** @param {Callback<any>} callback @returns {(done: Promise<unknown>) => void} */
function answerer(callback = noop) {
  if (typeof callback !== "function") throw invalid("The last argument must be a function: the callback.");
  return (done) => {
    done.then(
      (value) => queueMicrotask(() => value === undefined ? callback(null) : callback(null, value)),
      (error) => queueMicrotask(() => callback(error)),
    );
  };
}

/** Libraries that were made for Node use what a Buffer has beyond an Uint8Array. @param {Uint8Array<ArrayBuffer>} bytes @returns {Uint8Array} */
function bufferOf(bytes) {
  const { Buffer } = /** @type {any} */ (globalThis);
  return Buffer ? Buffer.from(bytes.buffer) : bytes;
}

/** A server without flush has nothing to be flushed. @param {any} error */
function unlessMissing(error) {
  if (error.code !== "ENOTSUP") throw error;
}

function closedError() {
  return new NbdError("CLOSED", "The storage was closed. Make another one to go on.");
}

/** @param {string} what */
function refusal(what) {
  return new NbdError("ENOTSUP", `A device can't be ${what}: its size is what the server says. Use del for what is of no use any more.`, {}, { stage: "call" });
}
