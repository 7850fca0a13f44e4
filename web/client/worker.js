// The Worker of one connection: loads the WASM client and answers the calls of rpc.js.
import { NbdError, describe } from "./errors.js";
import { compile, instantiate, lastWords, loadRuntime } from "./load.js";
import { furnishThread } from "./node.js";

/** @type {Record<string, (...args: any[]) => Promise<any>>} */
let api = { start };

/** Who waits for a ticket. @type {Map<number, (answer: Promise<string>) => void>} */
const asking = new Map();
let lastAsk = 0;

/** Controllers of the calls that may be aborted. @type {Map<number, AbortController>} */
const aborters = new Map();

globalThis.onmessage = (/** @type {MessageEvent<import("./rpc.js").ToWorker>} */ { data }) => {
  if ("abort" in data) aborters.get(data.abort)?.abort();
  else if ("answer" in data) answered(data);
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
    const result = await api[method](...args, aborter?.signal);
    const transfer = result instanceof Uint8Array ? [result.buffer] : [];
    postMessage({ id, result }, { transfer });
  } catch (error) {
    postMessage({ id, error: describe(error) });
  } finally {
    aborters.delete(id);
  }
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
  const { open, ...others } = await Promise.race([ready, ended.then(() => Promise.reject(death("it exited")))]);
  api = { ...others, open: (request, asks, signal) => open(request, { token: asks ? ask : undefined, event: tell }, signal) };
  return fresh;
}

/** Asks the page for a ticket. @returns {Promise<string>} */
function ask() {
  const id = ++lastAsk;
  postMessage({ ask: id });
  return new Promise((resolve) => asking.set(id, resolve));
}

/** @param {{answer: number, token: string} | {answer: number, error: import("./errors.js").Failure}} answer */
function answered(answer) {
  asking.get(answer.answer)?.("error" in answer ? Promise.reject(NbdError.from(answer.error)) : Promise.resolve(answer.token));
  asking.delete(answer.answer);
}

/**
 * Tells the page what becomes of the connection.
 * @param {string} kind
 * @param {{cause?: unknown}} detail
 */
function tell(kind, detail) {
  postMessage({ event: kind, detail: detail.cause === undefined ? detail : { ...detail, cause: describe(detail.cause) } });
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
