import { NbdError } from "../errors.js";

/** How long the Worker may take to end, in milliseconds. */
const endLimit = 8000;

/** Calls to one storage Worker. Every promise of call settles, whatever becomes of the Worker. */
export class StorageCalls {
  /** @type {Worker} */ #worker;
  /** @type {Map<number, {resolve: (value: any) => void, reject: (reason: any) => void}>} */ #pending = new Map();
  #lastId = 0;
  #heard = false;
  /** Why calls are refused. @type {NbdError | undefined} */ #refusal;
  /** @type {Promise<void> | undefined} */ #ended;

  /** @param {string} what of the folder, for messages */
  constructor(what) {
    this.what = what;
    this.#worker = spawn();
    this.#worker.onmessage = ({ data }) => this.#receive(data);
    this.#worker.onerror = (event) => this.#onError(event);
    this.#worker.onmessageerror = () => this.terminate(new NbdError("WORKER", `A message of the Worker of ${what} could not be read. Open it again.`));
  }

  /**
   * @param {string} method
   * @param {unknown[]} [args]
   * @param {Transferable[]} [transfer]
   * @returns {Promise<any>}
   */
  call(method, args = [], transfer = []) {
    if (this.#refusal) return Promise.reject(this.#refusal);
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      this.#worker.postMessage({ id, method, args, what: `${this.what}, ${method}` }, transfer);
    });
  }

  /**
   * Lets calls under way end, and then the Worker; later ones are refused.
   * @returns {Promise<void>} never rejects
   */
  end() {
    this.#ended ??= this.#end(new NbdError("CLOSED", `${this.what} was closed. Open it again to go on.`));
    return this.#ended;
  }

  /** @param {NbdError} closed */
  async #end(closed) {
    const timer = setTimeout(() => this.terminate(closed), endLimit);
    const ending = this.call("end").catch(() => {}); // the Worker is ended anyway
    this.#refusal ??= closed;
    await ending;
    clearTimeout(timer);
    this.terminate(closed);
  }

  /**
   * Ends the Worker at once; calls, those under way too, reject with error.
   * @param {NbdError} error
   */
  terminate(error) {
    this.#refusal ??= error;
    this.#worker.terminate();
    for (const { reject } of this.#pending.values()) reject(error);
    this.#pending.clear();
  }

  /** @param {{id: number, result: any} | {id: number, error: import("../errors.js").Failure}} message */
  #receive(message) {
    this.#heard = true;
    const waiting = this.#pending.get(message.id);
    this.#pending.delete(message.id);
    if ("error" in message) waiting?.reject(NbdError.from(message.error));
    else waiting?.resolve(message.result);
  }

  /** @param {ErrorEvent} event a plain Event if the script did not load */
  #onError(event) {
    event.preventDefault?.();
    this.terminate(this.#heard
      ? new NbdError("WORKER", `The Worker of ${this.what} failed: ${event.message}. Open it again.`)
      : new NbdError("WASM_LOAD", `The client's storage/worker.js could not be loaded${event.message ? ` (${event.message})` : ""}. ${advice}`));
  }
}

const advice = "Serve the client's files from the page's own origin, and allow them in its Content-Security-Policy (worker-src).";

/** Browsers start no Worker from another origin, and some say so only in the console. */
function spawn() {
  const { origin, protocol } = new URL(import.meta.url);
  const own = globalThis.location?.origin;
  if (own && /^https?:$/.test(protocol) && origin !== own) throw new NbdError("WASM_LOAD", `The client's storage/worker.js is at ${origin} and the page at ${own}. ${advice}`);
  try {
    return new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
  } catch (error) {
    throw new NbdError("WASM_LOAD", `The client's storage/worker.js could not be started (${error}). ${advice}`, {}, { cause: error });
  }
}
