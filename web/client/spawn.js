import { NbdError, invalid } from "./errors.js";
import { asWorker, isThread, startThread } from "./node.js";

const blocked = "Serve the client's files from the page's own origin, and allow them in its Content-Security-Policy (worker-src).";

/**
 * The Worker of one connection.
 * @param {string | URL | (() => Worker)} [worker] where worker.js is, or what starts it
 * @returns {Worker}
 */
export function spawn(worker) {
  try {
    if (typeof worker === "function") return checked(worker());
    if (worker === undefined) return spawnOwn();
    return spawnAt(resolve("worker", worker));
  } catch (error) {
    if (error instanceof NbdError) throw error;
    throw new NbdError("WASM_LOAD", `The client's worker could not be started (${error}). ${blocked}`, {}, { cause: error });
  }
}

/** Written so that bundlers find worker.js, once. */
function spawnOwn() {
  const here = import.meta.url;
  if (typeof Worker === "undefined") return startThread(new URL("./worker.js", here));
  refuseForeign(new URL("./worker.js", here));
  return new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
}

/** @param {URL} url */
function spawnAt(url) {
  if (typeof Worker === "undefined") return startThread(url);
  refuseForeign(url);
  return new Worker(url, { type: "module" });
}

/** What the functions of options gave: each has its connection. @type {WeakSet<object>} */
const given = new WeakSet();

/** @param {any} worker what the option's function gave */
function checked(worker) {
  if (typeof worker?.postMessage !== "function" || typeof worker.terminate !== "function" || given.has(worker)) {
    throw invalid("The function worker must return a new Worker each time, with the client's worker.js as module.");
  }
  given.add(worker);
  return isThread(worker) ? asWorker(worker) : worker;
}

/**
 * Browsers start no Worker from another origin, and some say so only in the
 * console.
 * @param {URL} url
 */
export function refuseForeign(url) {
  const own = globalThis.location?.origin;
  if (!own || !/^https?:$/.test(url.protocol) || url.origin === own) return;
  throw new NbdError("WASM_LOAD", `The client's worker is at ${url.origin} and the page at ${own}: browsers start no such one. Serve the client's files from the page's own origin, or give the option worker a function that starts your module, which imports ${url.href}: worker: () => new Worker("/own.js", { type: "module" }).`);
}

/**
 * What a relative URL in an option is relative to is the page.
 * @param {string} name of the option
 * @param {string | URL} url
 */
export function resolve(name, url) {
  try {
    return new URL(url, /** @type {any} */ (globalThis).document?.baseURI ?? globalThis.location?.href);
  } catch {
    throw invalid(`Option ${name} is "${url}", which is no URL${globalThis.location ? "" : ": outside of a browser it must be absolute, such as new URL(\"…\", import.meta.url)"}.`);
  }
}
