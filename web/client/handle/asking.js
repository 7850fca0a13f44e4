import { NbdError, invalid } from "../errors.js";
import { closed } from "./serving.js";

/** While something is asked, the other side is reminded so often, in milliseconds. */
const pingInterval = 10_000;
/** It has died when it left so many reminders unanswered. */
const maxUnanswered = 6;

/** @typedef {import("./serving.js").Facts} Facts */
/** @typedef {import("./serving.js").ToServing} ToServing */
/** @typedef {import("./serving.js").FromServing} FromServing */

/**
 * Asks the side that holds a device. Every promise settles, whatever becomes of
 * that side.
 */
export class Asking {
  #port;
  /** @type {Map<number, {resolve: (value: any) => void, reject: (reason: any) => void}>} */ #pending = new Map();
  #lastId = 0;
  /** Why calls are refused. @type {NbdError | undefined} */ #refusal;
  /** @type {ReturnType<typeof setInterval> | undefined} */ #reminder;
  #unanswered = 0;
  /** @type {(why?: NbdError) => void} */ #ended = () => {};

  /** @param {MessagePort} port */
  constructor(port) {
    this.#port = port;
    /** @type {Promise<NbdError | undefined>} */
    this.closed = new Promise((resolve) => { this.#ended = resolve; });
    /** The other side tells them by itself. @type {Promise<Facts>} */
    this.facts = this.#await(0);
    port.onmessage = ({ data }) => this.#receive(data);
    port.addEventListener("close", () => this.#end(lost("has ended")));
  }

  /**
   * @param {import("./serving.js").Method} method
   * @param {any[]} args
   * @param {{signal?: AbortSignal, transfer?: Transferable[]}} [options]
   * @returns {Promise<any>} rejects with an NbdError or the signal's reason
   */
  async call(method, args, { signal, transfer = [] } = {}) {
    signal?.throwIfAborted();
    if (this.#refusal) throw this.#refusal;
    const id = ++this.#lastId;
    const abort = () => {
      this.#pending.get(id)?.reject(signal?.reason);
      this.#post({ abort: id });
    };
    this.#post({ id, method, args }, transfer);
    signal?.addEventListener("abort", abort, { once: true });
    return this.#await(id).finally(() => signal?.removeEventListener("abort", abort));
  }

  /** Ends the handle. */
  close() {
    this.#post({ close: true });
    this.#end();
  }

  /** @param {number} id @returns {Promise<any>} */
  #await(id) {
    this.#reminder ??= setInterval(() => this.#remind(), pingInterval);
    const answer = new Promise((resolve, reject) => this.#pending.set(id, { resolve, reject }));
    return answer.finally(() => this.#settled(id));
  }

  /** @param {number} id */
  #settled(id) {
    this.#pending.delete(id);
    if (this.#pending.size) return;
    clearInterval(this.#reminder);
    this.#reminder = undefined;
  }

  /** Not all browsers tell that the other side has ended. */
  #remind() {
    if (this.#unanswered++ === maxUnanswered) this.#end(lost("has not answered for a minute"));
    else this.#post({ ping: true });
  }

  /** @param {FromServing} message */
  #receive(message) {
    this.#unanswered = 0;
    if ("facts" in message) this.#pending.get(0)?.resolve(message.facts);
    else if ("ended" in message) this.#end(message.ended && NbdError.from(message.ended));
    else if ("error" in message) this.#pending.get(message.id)?.reject(NbdError.from(message.error));
    else if ("id" in message) this.#pending.get(message.id)?.resolve(message.result); // none after an abort
  }

  /** @param {ToServing} message @param {Transferable[]} [transfer] */
  #post(message, transfer = []) {
    if (this.#refusal) return;
    try {
      this.#port.postMessage(message, transfer);
    } catch (error) {
      throw invalid(`The arguments can't be handed to the thread that holds the device (${error}).`);
    }
  }

  /** @param {NbdError} [why] */
  #end(why) {
    if (this.#refusal) return;
    this.#refusal = why ?? closed();
    this.#port.close();
    this.#ended(why);
    for (const { reject } of this.#pending.values()) reject(this.#refusal);
  }
}

/** @param {string} fate */
function lost(fate) {
  return new NbdError("WORKER", `The thread that holds the device ${fate}. Open the device again, and make a new handle.`);
}
