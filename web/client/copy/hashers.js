import { NbdError } from "../errors.js";
import { Rpc } from "../rpc.js";
import { start } from "../wasm.js";
import { bytesOf, hexOf } from "./hex.js";

/** @typedef {{wasm?: string | URL | WebAssembly.Module, worker?: string | URL | (() => Worker), signal?: AbortSignal}} Files */

/** @typedef {import("./carry.js").Taker<HashState>} HashTaker */

/**
 * @typedef {object} HashState
 * @property {number} offset all before it has been hashed
 * @property {number} size of the device, in bytes
 * @property {Record<string, string>} hashes inner states by algorithm, in hex
 */

/** One hash, in a Worker of its own. */
class Hasher {
  #rpc;

  /** @param {string} algorithm @param {Files["worker"]} worker */
  constructor(algorithm, worker) {
    this.algorithm = algorithm;
    this.#rpc = new Rpc(worker);
  }

  /** @param {Files} files @param {HashState} [from] */
  async begin({ wasm = new URL("../evidence.wasm", import.meta.url), signal }, from) {
    await start(this.#rpc, wasm, signal);
    const args = from ? [bytesOf(from.hashes[this.algorithm]), from.offset] : [undefined, 0];
    await this.call("begin", [this.algorithm, ...args], [], signal).catch((error) => {
      if (error?.code !== "INTERNAL") throw error;
      throw new NbdError("WASM_LOAD", "The WebAssembly of the hashes is another program. Check that evidence.wasm is of this version of the package, and that the option wasm, if given, is this file.", {}, { cause: error });
    });
  }

  /**
   * @param {string} method
   * @param {unknown[]} [args]
   * @param {Transferable[]} [transfer]
   * @param {AbortSignal} [signal]
   * @returns {Promise<any>}
   */
  async call(method, args, transfer, signal) {
    try {
      return await this.#rpc.call(method, args, { transfer, signal });
    } catch (/** @type {any} */ error) {
      if (error?.code !== "WORKER") throw error;
      throw new NbdError("WORKER", `The Worker that hashes ${this.algorithm} has died. Hash again, from the last state.`, {}, { cause: error });
    }
  }

  end() {
    this.#rpc.terminate(new NbdError("CLOSED", "The hash has ended."));
  }
}

/**
 * One Worker for each algorithm, which all get the same pieces.
 * @implements {HashTaker}
 */
export class Hashers {
  ahead = 4;
  longest = 4 << 20; // some 30 ms of the slowest hash
  /** @type {Hasher[]} */ #all = [];
  #size;
  /** Whether they may not be at the same position. */ #torn = false;

  /** @param {number} size of the device */
  constructor(size) {
    this.#size = size;
  }

  /**
   * The first one compiles for all.
   * @param {readonly string[]} algorithms
   * @param {Files} files
   * @param {HashState} [from]
   */
  async begin(algorithms, files, from) {
    const add = async (/** @type {string} */ algorithm) => {
      const hasher = new Hasher(algorithm, files.worker);
      this.#all.push(hasher);
      await hasher.begin(files, from);
    };
    const [first, ...others] = algorithms;
    await add(first);
    await Promise.all(others.map(add));
  }

  /**
   * The bytes go to the last one, and copies to the others.
   * @param {import("./pieces.js").Piece} piece
   */
  async take({ length, bytes }) {
    try {
      await Promise.all(this.#all.map((hasher, i) => {
        if (!bytes) return hasher.call("zeros", [length]);
        const own = i === this.#all.length - 1 ? bytes : bytes.slice();
        return hasher.call("write", [own], [own.buffer]);
      }));
    } catch (error) {
      this.#torn = true;
      throw error;
    }
  }

  /**
   * @param {number} offset
   * @returns {Promise<HashState>}
   */
  async state(offset) {
    if (this.#torn) throw new NbdError("WORKER", "A hash has failed: there is no state of all.");
    return { offset, size: this.#size, hashes: await this.#each("state") };
  }

  abandon() {
    this.#torn = true;
  }

  /** @returns {Promise<Record<string, string>>} by algorithm, in hex */
  sums() {
    return this.#each("sum");
  }

  /** @param {"state" | "sum"} method */
  async #each(method) {
    return Object.fromEntries(await Promise.all(this.#all.map(async (hasher) => [hasher.algorithm, hexOf(await hasher.call(method))])));
  }

  end() {
    for (const hasher of this.#all) hasher.end();
  }
}
