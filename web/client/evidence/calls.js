import { NbdError } from "../errors.js";
import { handleOf } from "../handle.js";
import { startThread } from "../node.js";
import { Rpc } from "../rpc.js";
import { refuseForeign } from "../spawn.js";
import { start } from "../wasm.js";

/**
 * @typedef {object} Files
 * @property {string | URL | WebAssembly.Module} [wasm] where acquire.wasm is, if not
 *   beside the client's modules, or what it compiles to
 * @property {string | URL | (() => Worker)} [worker] where evidence/worker.js is, if
 *   not beside this module, or a function that starts a Worker with it
 */

/** How long the end may take that the device's side is told of, in milliseconds. */
const endLimit = 1000;

/** Calls to one Worker. Every promise of call settles, whatever becomes of the Worker. */
export class Calls {
  #rpc;
  #what;
  #attached = false;
  /** @type {Promise<void> | undefined} */ #done;

  /** @param {string} what it does, for messages @param {Files["worker"]} worker */
  constructor(what, worker) {
    this.#what = what;
    this.#rpc = new Rpc(worker ?? spawnOwn);
  }

  /** @param {Files["wasm"]} wasm @param {AbortSignal} [signal] */
  start(wasm = new URL("../acquire.wasm", import.meta.url), signal) {
    return start(this.#rpc, wasm, signal);
  }

  /** @param {import("../device.js").BlockDevice} device @param {AbortSignal} [signal] */
  async attach(device, signal) {
    const handle = handleOf(device);
    this.#attached = true;
    await this.first("attach", [handle], { transfer: [handle], signal });
  }

  /**
   * The first call, which tells another program.
   * @param {string} method
   * @param {unknown[]} args
   * @param {import("../rpc.js").CallOptions} [options]
   * @returns {Promise<any>}
   */
  first(method, args, options) {
    return this.call(method, args, options).catch((error) => {
      if (error?.code !== "INTERNAL") throw error;
      throw new NbdError("WASM_LOAD", "The WebAssembly or the Worker of the acquisition is another one. Check that acquire.wasm and evidence/worker.js are of this version of the package, and that the options wasm and worker, if given, are these files.", {}, { cause: error });
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
      throw new NbdError("WORKER", `The Worker that ${this.#what} has died. Go on from the last state.`, {}, { cause: error });
    }
  }

  /** Ends the handle, and the Worker; calls under way reject with CLOSED. */
  end() {
    this.#done ??= this.#end();
    return this.#done;
  }

  async #end() {
    const closed = new NbdError("CLOSED", "The acquisition has ended.");
    const detached = this.#attached && this.#rpc.call("detach", [], { signal: AbortSignal.timeout(endLimit) }).catch(() => {}); // then the handle ends with the Worker
    this.#rpc.refuse(closed);
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
