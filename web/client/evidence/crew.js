import { Calls } from "./calls.js";

/** @typedef {import("./calls.js").Files} Files */

/**
 * The Workers of one reading: one that reads, and one for each hash, to which
 * it has ports of its own. Nothing that is hashed goes through the page.
 */
export class Crew {
  #files;
  #reader;
  /** @type {Calls[]} */ #hashers = [];
  /** @type {MessagePort[]} */ #ports = [];
  /** @type {(error: unknown) => void} */ #fail = () => {};
  /** Rejects when a Worker of a hash has died. @type {Promise<never>} */ #failed;

  /** @param {Files} files */
  constructor(files) {
    this.#files = files;
    this.#failed = new Promise((_, reject) => { this.#fail = reject; });
    this.#failed.catch(() => {}); // told by call
    this.#reader = new Calls("acquires", files.worker);
  }

  /**
   * The first one compiles for all.
   * @param {import("../device.js").BlockDevice} device
   * @param {readonly string[]} hashes
   * @param {AbortSignal} [signal]
   */
  async start(device, hashes, signal) {
    await this.#reader.start(this.#files.wasm, signal);
    await Promise.all([this.#reader.attach(device, signal), ...hashes.map((name) => this.#add(name, signal))]);
  }

  /** @param {string} name @param {AbortSignal} [signal] */
  async #add(name, signal) {
    const hasher = new Calls(`hashes ${name}`, this.#files.worker);
    const { port1, port2 } = new MessageChannel();
    const place = this.#hashers.push(hasher) - 1;
    this.#ports[place] = port2;
    await hasher.start(this.#files.wasm, signal);
    hasher.first("hash", [port1], { transfer: [port1] }).catch(this.#fail); // it lasts as long as the Worker
  }

  /**
   * @param {string} method that gets a port of the page, those of the hashes, and JSON
   * @param {MessagePort} page
   * @param {string} wish JSON
   * @param {AbortSignal} [signal] an abort ends the call by the Worker's answer
   * @returns {Promise<any>} what came as JSON
   */
  async call(method, page, wish, signal) {
    const args = [page, this.#ports, wish];
    const work = this.#reader.call(method, args, { transfer: [page, ...this.#ports], signal, patient: true });
    return JSON.parse(await Promise.race([work, this.#failed]));
  }

  /** Calls under way reject with CLOSED. */
  async end() {
    await Promise.all([this.#reader, ...this.#hashers].map((calls) => calls.end()));
  }
}
