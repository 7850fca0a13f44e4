// The Worker of one disk: loads the WASM client and answers the calls of rpc.js.
import { NbdError, describe } from "./errors.js";

/** @type {Record<string, (...args: any[]) => Promise<any>>} */
let api = { start };

/** Controllers of the calls that may be aborted. @type {Map<number, AbortController>} */
const aborters = new Map();

/** What Go printed, which is nothing but its last words. */
let lastWords = "";

globalThis.onmessage = (/** @type {MessageEvent<import("./rpc.js").ToWorker>} */ { data }) => {
  if ("abort" in data) aborters.get(data.abort)?.abort();
  else answer(data);
};
// What fails where nobody waits for it, such as a trap inside a promise callback.
globalThis.addEventListener("unhandledrejection", ({ reason }) => die(reason));

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
 * @param {string} [wasmUrl]
 */
async function start(wasmUrl) {
  const Go = await loadRuntime();
  const go = new Go();
  const instance = await instantiate(wasmUrl ?? new URL("./nbd.wasm", import.meta.url).href, go.importObject);
  const ready = new Promise((resolve) => Object.assign(globalThis, { nbdbridgeReady: resolve }));
  const ended = go.run(instance).then(() => die("it exited"), die);
  api = await Promise.race([ready, ended.then(() => Promise.reject(death("it exited")))]);
}

/** @returns {Promise<any>} the class Go of the toolchain's wasm_exec.js, a plain script */
async function loadRuntime() {
  const url = new URL("./wasm_exec.js", import.meta.url).href;
  try {
    await import(url);
  } catch (error) {
    throw new NbdError("WASM_LOAD", `${url} could not be loaded (${error}). Check that the page's server still runs, that it serves this file as text/javascript, and that the Content-Security-Policy allows it.`, {}, { cause: error });
  }
  const { fs, Go } = /** @type {any} */ (globalThis);
  const decoder = new TextDecoder();
  const print = fs.writeSync.bind(fs);
  fs.writeSync = (/** @type {number} */ fd, /** @type {Uint8Array} */ text) => {
    lastWords = (lastWords + decoder.decode(text)).slice(0, 500);
    return print(fd, text);
  };
  return Go;
}

/**
 * @param {string} url
 * @param {WebAssembly.Imports} imports
 * @returns {Promise<WebAssembly.Instance>}
 */
async function instantiate(url, imports) {
  const response = await fetch(url).catch((error) => {
    throw new NbdError("WASM_LOAD", `${url} could not be fetched (${error}). Check wasmUrl, and CORS if it is on another origin.`, {}, { cause: error });
  });
  if (!response.ok) {
    throw new NbdError("WASM_LOAD", `${url} could not be fetched: the server answered ${response.status}. Check wasmUrl, and that the file was built and deployed.`);
  }
  const type = response.headers.get("content-type") ?? "no type";
  try {
    if (/^application\/wasm\b/i.test(type)) {
      return (await WebAssembly.instantiateStreaming(response, imports)).instance;
    }
    return (await WebAssembly.instantiate(await response.arrayBuffer(), imports)).instance;
  } catch (error) {
    throw new NbdError("WASM_LOAD", `${url} (served as ${type}) could not be compiled (${error}). Serve nbd.wasm as application/wasm, and allow 'wasm-unsafe-eval' in the script-src of the Content-Security-Policy.`, {}, { cause: error });
  }
}

/** @param {unknown} cause */
function death(cause) {
  const words = lastWords ? ` Its last words: ${lastWords}` : "";
  return new NbdError("WORKER", `The WASM client stopped: ${cause}. Open the disk again.${words}`);
}

/** @param {unknown} cause */
function die(cause) {
  postMessage({ dead: describe(death(cause)) });
}
