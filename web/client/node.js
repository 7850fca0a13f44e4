// Node has threads where browsers have Workers. Here they get the few members
// that are used of one, on both sides.
import { NbdError } from "./errors.js";

/** @returns {any} node:worker_threads, or nothing where this is not Node; bundlers see no import in it */
const threads = () => /** @type {any} */ (globalThis).process?.getBuiltinModule?.("node:worker_threads");

/** Starts worker.js in a thread. @param {URL} url @returns {Worker} */
export function startThread(url) {
  if (!threads() || typeof WebSocket === "undefined") {
    const { process } = /** @type {any} */ (globalThis);
    const here = process?.version ? `Node ${process.version}` : "this environment";
    throw new NbdError("WASM_LOAD", `The client can't run here: it needs Workers and WebSockets, and ${here} lacks them. Use Node 22 or newer, or a browser.`);
  }
  // The flags of the program are not for the thread: it could not start with some.
  return asWorker(new (threads().Worker)(url, { execArgv: [] }));
}

/** Tells a thread from a Worker. @param {any} worker */
export const isThread = (worker) => typeof worker?.postMessage === "function" && typeof worker.on === "function";

/**
 * A thread, as rpc.js wants it.
 * @param {any} thread of node:worker_threads
 * @returns {Worker}
 */
export function asWorker(thread) {
  const worker = /** @type {any} */ ({
    postMessage: thread.postMessage.bind(thread),
    terminate() {
      worker.onerror = undefined; // it will exit, and that is no error
      thread.terminate();
    },
  });
  thread.on("message", (/** @type {unknown} */ data) => worker.onmessage?.({ data }));
  thread.on("messageerror", () => worker.onmessageerror?.());
  thread.on("error", (/** @type {any} */ error) => worker.onerror?.({ message: String(error?.message ?? error) }));
  thread.on("exit", (/** @type {number} */ code) => worker.onerror?.({ message: `it exited with code ${code}` }));
  return worker;
}

/** Gives a thread what worker.js uses of a Worker's global scope, which a Worker has by itself. */
export function furnishThread() {
  const port = typeof globalThis.postMessage === "function" ? undefined : threads()?.parentPort;
  if (!port) return;
  const scope = /** @type {any} */ (globalThis);
  scope.postMessage = (/** @type {unknown} */ data, /** @type {{transfer?: any[]}} */ { transfer } = {}) => port.postMessage(data, transfer);
  port.on("message", (/** @type {unknown} */ data) => scope.onmessage({ data }));
  scope.process.on("unhandledRejection", (/** @type {unknown} */ reason) => scope.onunhandledrejection({ reason }));
}

/**
 * fetch does not read files in Node.
 * @param {string} url file:
 * @returns {Promise<Uint8Array<ArrayBuffer>>}
 */
export function readFile(url) {
  return /** @type {any} */ (globalThis).process.getBuiltinModule("node:fs/promises").readFile(new URL(url));
}

export const canReadFiles = () => threads() !== undefined;
