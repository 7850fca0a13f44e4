import { NbdError } from "./errors.js";

/**
 * The Worker of one connection.
 * @returns {Worker}
 */
export function spawn() {
  try {
    return new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
  } catch (error) {
    throw new NbdError("WASM_LOAD", `The client's worker could not be started (${error}). Serve the client's files from the page's own origin, and allow them in its Content-Security-Policy (worker-src).`, {}, { cause: error });
  }
}
