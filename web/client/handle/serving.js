import { NbdError, invalid } from "../errors.js";
import { Blocking } from "./blocking.js";
import { failureOf } from "./failure.js";
import { live } from "./life.js";
import { Turns } from "./turns.js";

/** The methods of a device that a handle serves; their last argument is the options. */
const methods = new Set(/** @type {const} */ (["read", "readMany", "write", "flush", "trim", "zero", "blockStatus"]));

/** @typedef {import("../device.js").BlockDevice} BlockDevice */
/** @typedef {import("../errors.js").Failure} Failure */

/**
 * What a device is, beside what it does.
 * @typedef {{size: number, readOnly: boolean, blockSize: import("../device.js").BlockSize, identity?: string}} Facts
 */

/** @typedef {typeof methods extends Set<infer M> ? M : never} Method */
/** @typedef {{id: number, method: Method, args: any[]}} Call */
/** @typedef {{id: number, blocking: string, args: any[]}} BlockingCall */

/**
 * The protocol of a handle. To the side that holds the device; ping wants a
 * pong, blocking calls are answered in the latest memory, and close ends the
 * handle:
 * @typedef {Call | {abort: number} | {ping: true} | {memory: SharedArrayBuffer} | BlockingCall | {close: true}} ToServing
 *
 * From it; the facts come first, and ended last. A lock is held for as long as
 * the thread lives and serves:
 * @typedef {{facts: Facts} | {lock: string} | {id: number, result: any} | {id: number, error: Failure}
 *   | {pong: true} | {ended: Failure | undefined}} FromServing
 */

/** Serves a device to one port. It never waits for the other side. */
export class Serving {
  #device;
  #port;
  #turns = new Turns();
  #release;
  /** What is under way. @type {Map<number, AbortController>} */ #aborters = new Map();
  /** For calls of a thread that waits. @type {Blocking | undefined} */ #blocking;
  /** Why nothing is done any more. @type {NbdError | undefined} */ #refusal;

  /** @param {BlockDevice} device @param {MessagePort} port */
  constructor(device, port) {
    this.#device = device;
    this.#port = port;
    const { size, readOnly, blockSize, identity } = device;
    this.#post({ facts: { size, readOnly, blockSize: { ...blockSize }, identity } });
    this.#release = live((lock) => this.#post({ lock }));
    port.onmessage = ({ data }) => this.#receive(data);
    port.addEventListener("close", () => this.#leave());
    device.closed.then((why) => {
      this.#port.postMessage({ ended: why && failureOf(why) });
      this.#end(why); // the port stays for who has not begun to ask: the other side closes it
    });
  }

  /** @param {ToServing} message */
  #receive(message) {
    if ("method" in message) this.#answer(message);
    else if ("abort" in message) this.#aborters.get(message.abort)?.abort();
    else if ("ping" in message) this.#post({ pong: true });
    else if ("blocking" in message) this.#answerIn(/** @type {Blocking} */ (this.#blocking), message);
    else if ("memory" in message) this.#share(message.memory);
    else this.#leave();
  }

  /** The other side has left. The lock is held until then: to let it go would look like death. */
  #leave() {
    this.#port.close();
    this.#release();
    this.#end();
  }

  /** @param {SharedArrayBuffer} memory */
  #share(memory) {
    const blocking = new Blocking(memory);
    if (this.#refusal) blocking.end(this.#refusal);
    else this.#blocking = blocking;
  }

  /** @param {Call} call */
  async #answer({ id, method, args }) {
    try {
      if (!methods.has(method)) throw invalid(`A handle has no method "${method}".`);
      const result = await this.#run(id, bytesOf(method, args), (signal) => call(this.#device, method, args, signal));
      this.#post({ id, result }, buffersOf(result));
    } catch (error) {
      this.#post({ id, error: failureOf(error) });
    }
  }

  /** @param {Blocking} memory @param {BlockingCall} call */
  async #answerIn(memory, { id, blocking, args }) {
    try {
      await this.#run(id, 0, (signal) => memory.answer(this.#device, blocking, args, signal));
    } catch (error) {
      if (!this.#refusal) memory.fail(error);
    }
  }

  /**
   * @template T
   * @param {number} id
   * @param {number} bytes that it moves
   * @param {(signal: AbortSignal) => Promise<T>} operation
   * @returns {Promise<T>}
   */
  async #run(id, bytes, operation) {
    if (this.#refusal) throw this.#refusal;
    const aborter = new AbortController();
    this.#aborters.set(id, aborter);
    const leave = await this.#turns.enter(bytes);
    try {
      return await operation(aborter.signal);
    } finally {
      leave();
      this.#aborters.delete(id);
    }
  }

  /** @param {FromServing} message @param {Transferable[]} [transfer] */
  #post(message, transfer = []) {
    if (!this.#refusal) this.#port.postMessage(message, transfer);
  }

  /** Nobody waits for what is under way. @param {NbdError} [why] */
  #end(why) {
    if (this.#refusal) return;
    this.#refusal = why ?? closed();
    this.#blocking?.end(this.#refusal);
    this.#blocking = undefined; // a megabyte: the device may live long
    /** @type {any} */ (this.#port).unref?.(); // Node waits for ports that are listened to
    for (const aborter of this.#aborters.values()) aborter.abort();
  }
}

/** What the other side is told of a device that ended without a reason. */
export function closed() {
  return new NbdError("CLOSED", "The device behind the handle was closed. Open it again, and make a new handle.");
}

/**
 * @param {any} device
 * @param {Method} method
 * @param {any[]} args
 * @param {AbortSignal} signal
 */
function call(device, method, args, signal) {
  return device[method](...args.slice(0, -1), { ...args.at(-1), signal });
}

/** How much a call moves. @param {Method} method @param {any[]} args @returns {number} */
function bytesOf(method, args) {
  if (method === "read") return args[1];
  if (method === "write") return args[1].byteLength;
  if (method === "readMany") return args[0].reduce((/** @type {number} */ sum, /** @type {{length: number}} */ range) => sum + range.length, 0);
  return 0;
}

/** What need not be copied on its way. @param {any} result @returns {Transferable[]} */
function buffersOf(result) {
  if (result instanceof Uint8Array) return [result.buffer];
  if (!Array.isArray(result)) return [];
  return result.filter((part) => part instanceof Uint8Array).map((part) => part.buffer);
}
