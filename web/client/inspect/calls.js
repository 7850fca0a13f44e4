import { NbdError } from "../errors.js";
import { startThread } from "../node.js";
import { Rpc } from "../rpc.js";
import { refuseForeign } from "../spawn.js";
import { start } from "../wasm.js";

/** @typedef {{wasm?: string | URL | WebAssembly.Module, worker?: string | URL | (() => Worker)}} Files */

/** How long the end may take that the device's side is told of, in milliseconds. */
const endLimit = 1000;

/** Calls to the Worker of an inspector. Every promise of call settles, whatever becomes of the Worker. */
export class Calls {
  #rpc;
  /** @type {Promise<void> | undefined} */ #done;
  /** @type {(why?: NbdError) => void} */ #end = () => {};

  /** @param {Files["worker"]} worker */
  constructor(worker) {
    this.#rpc = new Rpc(worker ?? spawnOwn);
    /** Fulfils when no call can go well any more. @type {Promise<NbdError | undefined>} */
    this.closed = new Promise((resolve) => { this.#end = resolve; });
  }

  /** @param {Files["wasm"]} wasm @param {AbortSignal} [signal] */
  start(wasm = new URL("../inspect.wasm", import.meta.url), signal) {
    return start(this.#rpc, wasm, signal);
  }

  /** @param {MessagePort} handle of the device @param {AbortSignal} [signal] */
  async attach(handle, signal) {
    await this.call("attach", [handle], { transfer: [handle], signal }).catch((error) => {
      if (error?.code !== "INTERNAL") throw error;
      throw new NbdError("WASM_LOAD", "The inspector's WebAssembly or Worker is another one. Check that inspect.wasm and inspect/worker.js are of this version of the package, and that the options wasm and worker, if given, are these files.", {}, { cause: error });
    });
  }

  /**
   * @param {string} method
   * @param {unknown[]} args
   * @param {import("../rpc.js").CallOptions} [options]
   * @returns {Promise<any>}
   */
  async call(method, args, options) {
    try {
      return await this.#rpc.call(method, args, options);
    } catch (/** @type {any} */ error) {
      if (error?.code !== "WORKER" || error !== this.#rpc.refusal) throw error; // the device's own Worker can die too
      const dead = new NbdError("WORKER", "The inspector's Worker has died. Inspect the device again.", {}, { cause: error });
      this.#end(dead);
      throw dead;
    }
  }

  /**
   * For what resolves with JSON.
   * @param {string} method
   * @param {unknown[]} args
   * @param {AbortSignal} [signal]
   * @returns {Promise<any>}
   */
  async ask(method, args, signal) {
    return JSON.parse(await this.call(method, args, { signal }));
  }

  /**
   * Opens something. What opens in spite of an abort is ended.
   * @param {string} method
   * @param {unknown[]} args
   * @param {AbortSignal | undefined} signal
   * @param {string} end the method that ends it
   * @returns {Promise<any>} its number, or what has that as id
   */
  async open(method, args, signal, end) {
    const result = await this.call(method, args, { signal, patient: true }).catch((error) => {
      signal?.throwIfAborted();
      throw error;
    });
    const opened = typeof result === "string" ? JSON.parse(result) : result;
    if (signal?.aborted) this.drop(end, opened.id ?? opened);
    signal?.throwIfAborted();
    return opened;
  }

  /** Ends something that is open; nobody waits for it. @param {string} method @param {number} id */
  drop(method, id) {
    this.call(method, [id]).catch(() => {}); // it has ended with the Worker
  }

  /** Ends the handle, and the Worker; calls under way reject with CLOSED. */
  end() {
    this.#done ??= this.#close();
    return this.#done;
  }

  async #close() {
    const closed = new NbdError("CLOSED", "The inspector was closed. Inspect the device again.");
    const detached = this.#rpc.call("detach", [], { signal: AbortSignal.timeout(endLimit) }).catch(() => {}); // then the handle ends with the Worker
    this.#rpc.refuse(closed);
    this.#end();
    await detached;
    this.#rpc.terminate(closed);
  }
}

/** Written so that bundlers find worker.js. @returns {Worker} */
function spawnOwn() {
  const here = import.meta.url;
  if (typeof Worker === "undefined") return startThread(new URL("./worker.js", here));
  refuseForeign(new URL("./worker.js", here));
  return new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
}
