import { callRules } from "../checks.js";
import { NbdError, invalid } from "../errors.js";
import { check } from "../options.js";
import { unlessAborted } from "../signals.js";
import { attempts } from "./attempts.js";
import { halt, hold } from "./emulator.js";
import { Events } from "../events.js";
import { unharmed, v86Events } from "./events.js";
import { patch } from "./pending.js";
import { Requests } from "./requests.js";
import { Stalls } from "./stalls.js";
import { checkStateSize, decode, encode, putBack } from "./state.js";
import { Writes, dirtyLimit } from "./writes.js";

/** The most bytes that a guest may read at once; those of today ask for 32 MiB at most. */
const readLimit = 128 << 20;
/**
 * Bytes of writes that wait, at which the emulator is stopped: guests that write
 * without DMA do not wait for the answer. What one request can have is let through.
 */
const pressureLimit = dirtyLimit + (32 << 20);
/** How long close() waits for what is still to be written, in milliseconds. */
const closeLimit = 8000;

/** @typedef {import("./emulator.js").Emulator} Emulator */
/** @typedef {import("../layers/overlay.js").Overlay} Overlay */
/** @typedef {import("./state.js").DiskState} DiskState */

/**
 * @typedef {object} Parts
 * @property {import("../device.js").BlockDevice} device what the guest reads and writes
 * @property {Overlay} [overlay] the same one, where it is an overlay
 * @property {string} [identity] of what is beneath
 * @property {import("./writes.js").WritePolicy} writes
 * @property {number} stallAfter milliseconds
 * @property {(() => Emulator | undefined)} [pause]
 */

/**
 * A disk of V86, for its options hda, hdb and cdrom, and for setCdrom. What
 * has underscores in its name is V86's to call.
 */
export class V86Disk {
  #device;
  #overlay;
  #identity;
  #pause;
  /** @type {Events<import("./events.js").V86DiskEvents>} */ #events = new Events(v86Events);
  #stalls;
  #writes;
  #requests = new Requests();
  /** The emulator is stopped for all the writes that wait. @type {(() => void) | undefined} */ #relieve;
  /** Bytes of the first sector, for V86's guess of a geometry. @type {Uint8Array | undefined} */ #first;
  /** Of quiesce, for get_state. @type {DiskState | undefined} */ #saved;
  /** Fulfils when a state was put back. @type {Promise<void> | undefined} */ #restored;
  /** Why a state was refused: what the guest asks for then means nothing. @type {unknown} */ #refused;
  #ended = false;
  /** @type {Promise<void> | undefined} */ #closeDone;
  /** V86 sets it before it calls load. @type {((event: object) => void) | undefined} */ onload;
  /** Size in bytes. @readonly @type {number} */ byteLength;
  /**
   * Fulfils when the disk has ended: with undefined after close(), otherwise
   * with the NbdError that tells why. It never rejects.
   * @readonly @type {Promise<NbdError | undefined>}
   */
  closed;

  /**
   * For v86Disk, which is how to get one.
   * @param {Parts} parts
   */
  constructor({ device, overlay, identity, writes, stallAfter, pause }) {
    this.#device = device;
    this.#overlay = overlay;
    this.#identity = identity;
    this.#pause = pause ?? (() => undefined);
    this.byteLength = device.size;
    this.#stalls = new Stalls(stallAfter, this.#events, () => this.#pause());
    this.#writes = new Writes(device, writes, {
      inVain: () => this.#ended,
      fail: (error) => this.#fail(error),
      changed: () => this.#weigh(),
    });
    this.closed = device.closed.then((error) => this.#end(error));
  }

  /**
   * Names the emulator that is stopped when the disk stalls or fails.
   * @param {Emulator} emulator
   */
  attach(emulator) {
    this.#pause = () => emulator;
  }

  /**
   * @template {import("./events.js").EventName} Name
   * @param {Name} type
   * @param {(detail: import("./events.js").V86DiskEvents[Name]) => void} listener
   * @param {{signal?: AbortSignal}} [options] signal: takes the listener away
   */
  on(type, listener, options = {}) {
    this.#events.on(type, listener, options);
  }

  /** The device is connected already: there is nothing to wait for. */
  load() {
    this.onload?.({});
  }

  /**
   * @param {number} offset
   * @param {number} length
   * @param {(bytes: Uint8Array) => void} done called once, and not after an abort
   * @param {{signal?: AbortSignal}} [options]
   */
  get(offset, length, done, { signal } = {}) {
    this.#serve(() => this.#read(offset, length, signal), done, signal);
  }

  /**
   * @param {number} offset
   * @param {Uint8Array} bytes copied before it returns
   * @param {() => void} done called once
   */
  set(offset, bytes, done) {
    const copy = new Uint8Array(bytes);
    if (offset < (this.#first?.byteLength ?? 0)) this.#first = undefined;
    this.#serve(() => this.#write(offset, copy), done);
  }

  /**
   * @param {number} offset
   * @param {number} length
   * @param {(bytes: Uint8Array) => void} done
   * @param {{signal?: AbortSignal}} [options]
   */
  get_and_cache(offset, length, done, options) {
    this.get(offset, length, (bytes) => {
      if (offset === 0) this.#first = bytes.slice();
      done(bytes);
    }, options);
  }

  /**
   * @param {number} offset
   * @param {number} length
   * @returns {Uint8Array | undefined} undefined where get_and_cache has not seen it
   */
  get_from_cache(offset, length) {
    if (!this.#first || offset + length > this.#first.byteLength) return undefined;
    return this.#first.slice(offset, offset + length);
  }

  /** A remote disk is not to be had in one buffer. @param {(buffer?: ArrayBuffer) => void} done */
  get_buffer(done) {
    done();
  }

  /**
   * V86's types know images with a buffer; this makes a disk one of them. V86
   * itself looks for it only where no disk will do.
   * @returns {ArrayBuffer}
   */
  get buffer() {
    throw invalid("This is a disk for hda, hdb and cdrom of V86's options. To change the CD-ROM of a running emulator, use setCdrom of nbdbridge/v86.");
  }

  /**
   * What the disk adds to a saved state: what it is, and the blocks of its overlay.
   * @returns {unknown[]} it throws unless quiesce() came right before
   */
  get_state() {
    const saved = this.#saved;
    if (!saved) throw invalid("The disk is not ready to be saved: use saveState(emulator, disks) of nbdbridge/v86, or stop the emulator and await quiesce() of each of its disks right before save_state().");
    this.#saved = undefined;
    return encode(saved);
  }

  /**
   * Puts back what get_state gave. What was under way before is not answered.
   * @param {unknown} state null is that of an empty drive
   */
  set_state(state) {
    this.#forget();
    if (state === null || state === undefined) return;
    try {
      const found = decode(state, { identity: this.#identity, size: this.byteLength });
      if (!this.#overlay && found.extents.length > 0) throw invalid('The state has changes of an overlay, which this disk has not: make it with writes: "overlay".');
      this.#refused = undefined;
      this.#restore(found);
    } catch (error) {
      this.#refused = error;
      this.#fail(error);
      throw error;
    }
  }

  /**
   * Waits until no request of the guest is under way, makes durable what it has
   * written, and gets ready for save_state. Stop the emulator first: a guest
   * that goes on keeps it waiting.
   * @param {{signal?: AbortSignal}} [options]
   * @returns {Promise<void>} rejects with the error of a request that will not be answered
   */
  async quiesce(options = {}) {
    const { signal } = check(options, callRules);
    for (let asked = -1; asked !== this.#requests.count; ) {
      await unlessAborted(this.#requests.idle(), signal);
      asked = this.#requests.count;
      await unlessAborted(Promise.all([this.#restored, this.#writes.flush()]), signal);
      this.#saved = await this.#collect(signal);
    }
  }

  /**
   * Makes durable what the guest has written, and tries again what could not be
   * written. With an overlay that is its store; the device is never written.
   * @returns {Promise<void>}
   */
  async flush() {
    await this.#writes.flush();
  }

  /**
   * Writes what is still to be written, for some seconds at most, and closes
   * the device. Stop the emulator first. It may be called again, and never
   * rejects: what could not be written is told by the event error.
   * @returns {Promise<void>}
   */
  close() {
    this.#closeDone ??= this.#close();
    return this.#closeDone;
  }

  async #close() {
    await this.#writeRest().catch((error) => this.#fail(error));
    await this.#device.close();
    await this.closed;
  }

  async #writeRest() {
    if (!this.#writes.atRisk) return;
    /** @type {ReturnType<typeof setTimeout> | undefined} */ let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new NbdError("TIMEOUT", `The disk was closed before all was written: ${this.#writes.pending.bytes} bytes of the guest's are lost.`)), closeLimit);
    });
    await Promise.race([this.#writes.flush(), late]).finally(() => clearTimeout(timer));
  }

  /** @param {NbdError | undefined} error */
  #end(error) {
    this.#ended = true;
    if (error && this.#writes.owed) this.#fail(error);
    this.#writes.end();
    this.#events.emit("closed", { error });
    return error;
  }

  /**
   * Answers a request, or never does: V86 knows no failure, and anything else
   * would be a lie to the guest.
   * @template T
   * @param {() => Promise<T>} task
   * @param {(result: T) => void} done
   * @param {AbortSignal} [signal]
   */
  async #serve(task, done, signal) {
    const request = this.#requests.begin(this.#stalls.watch(), signal);
    this.#saved = undefined;
    try {
      const result = await unlessAborted(this.#refused ? Promise.reject(this.#refused) : task(), signal);
      if (this.#requests.expected(request)) unharmed(() => done(result));
    } catch (error) {
      if (!this.#requests.expected(request)) return;
      this.#requests.fail(request, error);
      this.#fail(error);
    } finally {
      this.#requests.end(request);
    }
  }

  /**
   * The end of a device need not be that of a sector. What is behind it reads
   * as zeros: V86 does not keep guests from asking for it.
   * @param {number} offset
   * @param {number} length
   * @param {AbortSignal} [signal]
   */
  async #read(offset, length, signal) {
    if (!(offset >= 0 && length >= 0 && length <= readLimit)) throw new NbdError("OUT_OF_RANGE", `The guest asks for ${length} bytes at ${offset}: no disk has them.`, { offset, length });
    const inside = Math.max(0, Math.min(length, this.byteLength - offset));
    const bytes = await this.#content(offset, inside, signal);
    if (inside === length) return bytes;
    const padded = new Uint8Array(length);
    padded.set(bytes);
    return padded;
  }

  /** @param {number} from @param {number} length @param {AbortSignal} [signal] */
  async #content(from, length, signal) {
    if (length === 0) return new Uint8Array(0);
    if (this.#restored) await this.#restored;
    const writes = this.#writes.pending.within(from, from + length);
    const bytes = await attempts(() => this.#device.read(from, length, { signal }), () => this.#ended);
    patch(bytes, from, writes);
    return bytes;
  }

  /** @param {number} offset @param {Uint8Array<ArrayBuffer>} bytes */
  #write(offset, bytes) {
    return this.#restored ? this.#restored.then(() => this.#writes.write(offset, bytes)) : this.#writes.write(offset, bytes);
  }

  /** @param {unknown} error */
  #fail(error) {
    const emulator = this.#pause();
    if (emulator) halt(emulator);
    this.#events.emit("error", { error: asNbdError(error) });
  }

  /** Stops the emulator while too much is to be written. */
  #weigh() {
    const tooMuch = this.#writes.pending.bytes > pressureLimit;
    const emulator = this.#pause();
    if (tooMuch && emulator) this.#relieve ??= hold(emulator).release;
    if (tooMuch) return;
    this.#relieve?.();
    this.#relieve = undefined;
  }

  /** @param {AbortSignal} [signal] @returns {Promise<DiskState>} */
  async #collect(signal) {
    const extents = this.#overlay?.dirty() ?? [];
    const data = extents.filter((e) => e.type === "data");
    const length = data.reduce((sum, e) => sum + e.length, 0);
    checkStateSize(length);
    const bytes = new Uint8Array(length);
    let at = 0;
    for (const e of data) {
      for await (const part of this.#device.stream({ offset: e.offset, length: e.length, signal })) {
        bytes.set(part, at);
        at += part.byteLength;
      }
    }
    return { identity: this.#identity, size: this.byteLength, extents, bytes };
  }

  /** What came before a state was put back concerns nobody any more. */
  #forget() {
    this.#requests.forget();
    this.#saved = undefined;
    this.#first = undefined;
  }

  /** @param {DiskState} state */
  #restore(state) {
    const overlay = this.#overlay;
    if (!overlay) return;
    const before = this.#restored ?? Promise.resolve();
    const restored = before.catch(() => {}).then(() => this.#writes.abandon()).then(() => putBack(overlay, state));
    this.#restored = restored;
    restored.catch((error) => {
      this.#refused = error;
      this.#fail(error);
    });
  }
}

/** @param {any} error @returns {NbdError} */
function asNbdError(error) {
  if (error instanceof NbdError) return error;
  return new NbdError("INTERNAL", `The device failed in a way of its own: ${error}. Its methods should reject with an NbdError.`, {}, { cause: error });
}
