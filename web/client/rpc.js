import { NbdError, describe, invalid } from "./errors.js";
import { spawn } from "./spawn.js";

/**
 * The protocol between page and worker. The first call is start(wasm),
 * which loads the WASM; the others are the functions that it exports.
 *
 * To the worker; calls are answered in any order, and answer is that to an ask:
 * @typedef {{id: number, method: string, args: unknown[], abortable: boolean} | {abort: number}
 *   | {answer: number, token: string} | {answer: number, error: Failure}} ToWorker
 *
 * From the worker; ask wants a ticket, event tells of the connection, and dead
 * that it can't answer any more:
 * @typedef {{id: number, result: any} | {id: number, error: Failure} | {dead: Failure}
 *   | {ask: number} | {event: EventKind, detail: EventDetail}} FromWorker
 */

/** @typedef {import("./errors.js").Failure} Failure */
/** @typedef {"lost" | "retrying" | "connected" | "ended"} EventKind */

/**
 * What the worker tells with an event; delay is in milliseconds.
 * @typedef {{attempt?: number, delay?: number, cause?: Failure, tls?: import("./facts.js").TlsFacts | null}} EventDetail
 */

/**
 * What a Worker may ask of the page, and tell it.
 * @typedef {object} Hooks
 * @property {() => Promise<string>} [token] gives a ticket
 * @property {(kind: EventKind, detail: EventDetail) => void} [event]
 */

/** patient: an abort ends the call by the worker's answer, which may be a result. @typedef {{signal?: AbortSignal, transfer?: Transferable[], patient?: boolean}} CallOptions */

/**
 * Calls to one Worker. Every promise of call settles, whatever becomes of the Worker.
 */
export class Rpc {
  /** @type {Worker} */ #worker;
  /** @type {Map<number, {resolve: (value: any) => void, reject: (reason: any) => void}>} */ #pending = new Map();
  #lastId = 0;
  #heard = false;
  /** Why calls are refused. @type {NbdError | undefined} */ refusal;
  /** Tells shutDown that no call is pending. */ #onIdle = () => {};
  #hooks;

  /**
   * @param {string | URL | (() => Worker)} [worker] see spawn
   * @param {Hooks} [hooks]
   */
  constructor(worker, hooks = {}) {
    this.#hooks = hooks;
    this.#worker = spawn(worker);
    this.#worker.onmessage = ({ data }) => this.#receive(data);
    this.#worker.onerror = (event) => this.#onError(event);
    this.#worker.onmessageerror = () => this.terminate(new NbdError("WORKER", "A message of the client's worker could not be read. Open the disk again."));
  }

  /**
   * @param {string} method
   * @param {unknown[]} [args]
   * @param {CallOptions} [options]
   * @returns {Promise<any>} rejects with an NbdError or the signal's reason
   */
  async call(method, args = [], { signal, transfer = [], patient } = {}) {
    signal?.throwIfAborted();
    if (this.refusal) throw this.refusal;
    const id = ++this.#lastId;
    const abort = () => {
      if (!patient) this.#pending.get(id)?.reject(signal?.reason);
      this.#post({ abort: id });
    };
    try {
      const answer = new Promise((resolve, reject) => this.#pending.set(id, { resolve, reject }));
      this.#post({ id, method, args, abortable: !!signal }, transfer);
      signal?.addEventListener("abort", abort, { once: true });
      return await answer;
    } finally {
      signal?.removeEventListener("abort", abort);
      this.#pending.delete(id);
      if (!this.#pending.size) this.#onIdle();
    }
  }

  /**
   * Refuses calls from now on; those under way go on.
   * @param {NbdError} error
   */
  refuse(error) {
    this.refusal = error;
  }

  /**
   * Refuses calls, lets those under way end by themselves within the limit,
   * and terminates the Worker.
   * @param {NbdError} error
   * @param {number} limit in milliseconds
   */
  async shutDown(error, limit) {
    this.refuse(error);
    if (this.#pending.size) await /** @type {Promise<void>} */ (new Promise((resolve) => {
      const timer = setTimeout(resolve, limit);
      const others = this.#onIdle;
      this.#onIdle = () => (clearTimeout(timer), resolve(), others());
    }));
    this.terminate(error);
  }

  /**
   * Ends the Worker at once; calls, those under way too, reject with error.
   * @param {NbdError} error
   */
  terminate(error) {
    this.refusal ??= error;
    this.#worker.terminate();
    for (const { reject } of this.#pending.values()) reject(error);
  }

  /**
   * @param {ToWorker} message
   * @param {Transferable[]} [transfer]
   */
  #post(message, transfer = []) {
    try {
      this.#worker.postMessage(message, transfer);
    } catch (error) {
      throw invalid(`The arguments can't be handed to the client's worker (${error}).`);
    }
  }

  /** @param {FromWorker} message */
  #receive(message) {
    this.#heard = true;
    if ("dead" in message) return this.terminate(NbdError.from(message.dead));
    if ("event" in message) return this.#hooks.event?.(message.event, message.detail);
    if ("ask" in message) return void this.#answer(message.ask);
    const waiting = this.#pending.get(message.id); // none after an abort
    if ("error" in message) waiting?.reject(NbdError.from(message.error));
    else waiting?.resolve(message.result);
  }

  /** @param {number} id of the question for a ticket */
  async #answer(id) {
    try {
      this.#post({ answer: id, token: await /** @type {NonNullable<Hooks["token"]>} */ (this.#hooks.token)() });
    } catch (error) {
      this.#post({ answer: id, error: describe(error) });
    }
  }

  /** @param {ErrorEvent} event a plain Event if the script did not load */
  #onError(event) {
    event.preventDefault?.();
    this.terminate(this.#heard
      ? new NbdError("WORKER", `The client's worker failed (${event.message}). Open the disk again.`)
      : new NbdError("WASM_LOAD", `The client's worker.js could not be loaded${event.message ? ` (${event.message})` : ""}. Check that the page's server still runs, that worker.js and errors.js come from it beside index.js as text/javascript, and that the Content-Security-Policy allows them (worker-src).`));
  }
}
