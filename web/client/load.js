// How the Worker gets its WASM and the runtime that Go wants for it.
import { NbdError } from "./errors.js";

let printed = "";

/** What Go printed, which is nothing but its last words. */
export const lastWords = () => printed;

/** @returns {Promise<any>} the class Go of the toolchain's wasm_exec.js, a plain script */
export async function loadRuntime() {
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
    printed = (printed + decoder.decode(text)).slice(0, 500);
    return print(fd, text);
  };
  return Go;
}

/**
 * @param {string} url
 * @param {WebAssembly.Imports} imports
 * @returns {Promise<WebAssembly.Instance>}
 */
export async function instantiate(url, imports) {
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
