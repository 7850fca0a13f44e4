// The Worker of one disk: loads the WASM client and answers the calls of rpc.js.
import { NbdError, describe } from "./errors.js";
import { compile, instantiate, lastWords, loadRuntime } from "./load.js";
import { furnishThread } from "./node.js";

/** @type {Record<string, (...args: any[]) => Promise<any>>} */
let api = { start };

/** Controllers of the calls that may be aborted. @type {Map<number, AbortController>} */
const aborters = new Map();

globalThis.onmessage = (/** @type {MessageEvent<import("./rpc.js").ToWorker>} */ { data }) => {
  if ("abort" in data) aborters.get(data.abort)?.abort();
  else answer(data);
};
// What fails where nobody waits for it, such as a trap inside a promise callback.
globalThis.onunhandledrejection = ({ reason }) => die(reason);
furnishThread();

/** @param {{id: number, method: string, args: unknown[], abortable: boolean}} call */
async function answer({ id, method, args, abortable }) {
  const aborter = abortable ? new AbortController() : undefined;
  if (aborter) aborters.set(id, aborter);
  try {
    const given = method === "open" ? [...args, { event }] : args;
    const result = await api[method](...given, aborter?.signal);
    const transfer = result instanceof Uint8Array ? [result.buffer] : [];
    postMessage({ id, result }, { transfer });
  } catch (error) {
    postMessage({ id, error: describe(error) });
  } finally {
    aborters.delete(id);
  }
}

/**
 * Tells the page of an outage.
 * @param {string} kind
 * @param {object} detail
 */
function event(kind, detail) {
  postMessage({ event: kind, detail });
}

/**
 * The first call: loads and runs the WASM.
 * @param {string | WebAssembly.Module} wasm
 * @returns {Promise<WebAssembly.Module | undefined>} what was compiled, for the page to keep
 */
async function start(wasm) {
  const fresh = typeof wasm === "string" ? compile(wasm) : undefined;
  const [Go, module] = await Promise.all([loadRuntime(), fresh ?? wasm]);
  const go = new Go();
  const instance = await instantiate(module, go.importObject);
  const ready = new Promise((resolve) => Object.assign(globalThis, { nbdbridgeReady: resolve }));
  const ended = go.run(instance).then(() => die("it exited"), die);
  api = await Promise.race([ready, ended.then(() => Promise.reject(death("it exited")))]);
  return fresh;
}

/** @param {unknown} cause */
function death(cause) {
  const words = lastWords() ? ` Its last words: ${lastWords()}` : "";
  return new NbdError("WORKER", `The WASM client stopped: ${cause}. Open the disk again.${words}`);
}

/** @param {unknown} cause */
function die(cause) {
  postMessage({ dead: describe(death(cause)) });
}
