// How the Worker gets its WASM and the runtime that Go wants for it.
import { NbdError } from "./errors.js";
import { canReadFiles, readFile } from "./node.js";

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
 * Compiles while it is fetched, where the server gives it the right type.
 * @param {string} url
 * @returns {Promise<WebAssembly.Module>}
 */
export async function compile(url) {
  const response = await get(url);
  const type = response.headers.get("content-type") || "no type";
  const streams = /^application\/wasm\b/i.test(type);
  try {
    return await (streams ? WebAssembly.compileStreaming(response) : WebAssembly.compile(await wasmOf(response, url, type)));
  } catch (error) {
    if (error instanceof NbdError) throw error;
    throw new NbdError("WASM_LOAD", `${url} (served as ${type}) could not be compiled (${error}). Serve the file whole and as application/wasm, and allow 'wasm-unsafe-eval' in the script-src of the Content-Security-Policy.`, {}, { cause: error });
  }
}

/**
 * @param {WebAssembly.Module} module
 * @param {WebAssembly.Imports} imports
 * @returns {Promise<WebAssembly.Instance>}
 */
export async function instantiate(module, imports) {
  try {
    const instance = await WebAssembly.instantiate(module, imports);
    if (!instance.exports.run) throw new TypeError("it is another program");
    return instance;
  } catch (error) {
    throw new NbdError("WASM_LOAD", `The client's WebAssembly could not be started (${error}). Check that the .wasm file and wasm_exec.js come from the same version of this package, and that the option wasm, if given, names the file that it is for.`, {}, { cause: error });
  }
}

/** @param {string} url */
async function get(url) {
  try {
    if (url.startsWith("file:") && canReadFiles()) return new Response(await readFile(url), { headers: { "content-type": "application/wasm" } });
    const response = await fetch(url);
    if (response.ok) return response;
    throw new NbdError("WASM_LOAD", `${url} could not be fetched: the server answered ${response.status}. Check that the file was built and deployed, and the option wasm if it is elsewhere.`);
  } catch (error) {
    if (error instanceof NbdError) throw error;
    throw new NbdError("WASM_LOAD", `${url} could not be fetched (${error}). Check that it is there, the connect-src of the Content-Security-Policy, and CORS if it is on another origin.`, {}, { cause: error });
  }
}

/**
 * The bytes of what came under another type, if it is WebAssembly all the same.
 * @param {Response} response
 * @param {string} url
 * @param {string} type
 */
async function wasmOf(response, url, type) {
  const bytes = await response.arrayBuffer();
  const start = new TextDecoder().decode(bytes.slice(0, 256)).trimStart();
  if (start.startsWith("\0asm")) return bytes;
  const found = /^text\/html\b/i.test(type) || start.startsWith("<")
    ? "an HTML page came in its place, which is how many servers answer for files that they do not have"
    : "something else came in its place";
  throw new NbdError("WASM_LOAD", `${url} is not WebAssembly (served as ${type}): ${found}. Deploy the file there, or say with the option wasm where it is, and serve it as application/wasm.`);
}
