import { callRules, checkDevice, checkRange } from "../checks.js";
import { handleOf } from "../handle.js";
import { check, listRules } from "../options.js";
import { Calls } from "./calls.js";
import { search } from "./search.js";
import { Volume } from "./volume.js";

/** @typedef {import("../device.js").Bytes} Bytes */
/** @typedef {import("../device.js").CallOptions} CallOptions */

/**
 * @typedef {object} InspectOptions
 * @property {string | URL | WebAssembly.Module} [wasm] where inspect.wasm is, if not
 *   beside the client's modules, or what it compiles to
 * @property {string | URL | (() => Worker)} [worker] where inspect/worker.js is, if
 *   not beside this module, or a function that starts a Worker with it
 * @property {AbortSignal} [signal] gives up; the promise rejects with its reason
 */

/** @type {import("../options.js").Rules} */
const rules = { wasm: listRules.wasm, worker: listRules.worker, signal: listRules.signal };

/**
 * Starts a Worker that reads tables, signatures and file systems of a device,
 * and nothing else: the device is never written.
 * @param {import("../device.js").BlockDevice} device
 * @param {InspectOptions} [options]
 * @returns {Promise<Inspector>} to be closed
 */
export async function inspect(device, options = {}) {
  const { wasm, worker, signal } = check(options, rules);
  checkDevice(device);
  signal?.throwIfAborted();
  const calls = new Calls(worker);
  try {
    await calls.start(wasm, signal);
    await calls.attach(handleOf(device), signal);
    return new Inspector(calls, device.size);
  } catch (error) {
    calls.end();
    throw error;
  }
}

/**
 * Looks into one device. Calls may be under way at once. They reject with an
 * NbdError, or with the reason of the signal: with that of the device where it
 * can't be read, and with WORKER once the Worker has died.
 */
export class Inspector {
  #calls;
  #size;

  /** @param {Calls} calls @param {number} size of the device */
  constructor(calls, size) {
    this.#calls = calls;
    this.#size = size;
  }

  /**
   * How the device is divided.
   * @param {CallOptions} [options]
   * @returns {Promise<import("./types.js").Layout>}
   */
  async layout(options = {}) {
    const { signal } = check(options, callRules);
    return this.#calls.ask("layout", [], signal);
  }

  /**
   * What a part of the device says that it is, file systems first.
   * @param {Bytes} offset
   * @param {Bytes} length
   * @param {CallOptions} [options]
   * @returns {Promise<import("./types.js").Signature[]>}
   */
  async signatures(offset, length, options = {}) {
    const { signal } = check(options, callRules);
    return this.#calls.ask("signatures", checkRange(offset, length, this.#size), signal);
  }

  /**
   * Opens the file system of a part of the device. At most 16 are open at once.
   * @param {Bytes} offset
   * @param {Bytes} length
   * @param {CallOptions} [options]
   * @returns {Promise<Volume>} rejects with UNSUPPORTED where there is none that
   *   can be browsed, with DAMAGED where it can't be followed
   */
  async open(offset, length, options = {}) {
    const { signal } = check(options, callRules);
    return new Volume(this.#calls, await this.#calls.open("openVolume", checkRange(offset, length, this.#size), signal, "closeVolume"));
  }

  /**
   * Finds bytes and texts, by offset, also those that overlap: in arrays of
   * hits, as they come. At most 1000 wait for the loop, and then the search
   * does; to leave the loop ends it.
   * @param {import("./search.js").SearchOptions} options
   * @returns {AsyncGenerator<import("./search.js").Hit[], void, undefined>}
   */
  search(options) {
    return search(this.#calls, this.#size, options);
  }

  /**
   * Ends the Worker, and with it volumes, files and searches; the device stays
   * open. May be called again, never rejects.
   * @returns {Promise<void>}
   */
  close() {
    return this.#calls.end();
  }
}
