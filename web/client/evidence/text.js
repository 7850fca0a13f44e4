import { invalid } from "../errors.js";

/**
 * A log as people read it.
 * @param {import("./types.js").Log} log
 * @param {import("./acquire.js").Files} [options]
 * @returns {Promise<string>} rejects with INVALID_ARGUMENT where it is none
 */
export async function textOf(log, options = {}) {
  throw invalid(`not yet: ${log} ${options}`);
}
