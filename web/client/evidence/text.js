import { invalid } from "../errors.js";
import { check } from "../options.js";
import { Calls } from "./calls.js";
import { fileRules } from "./choices.js";

/**
 * A log as people read it.
 * @param {import("./types.js").Log} log
 * @param {import("./calls.js").Files & {signal?: AbortSignal}} [options]
 * @returns {Promise<string>} rejects with INVALID_ARGUMENT where it is none
 */
export async function textOf(log, options = {}) {
  const { wasm, worker, signal } = check(options, fileRules);
  if (typeof log !== "object" || log === null) throw invalid("textOf takes a log, as acquire gives it.");
  const calls = new Calls("writes the log", worker);
  try {
    await calls.start(wasm, signal);
    return await calls.first("text", [JSON.stringify(log)], { signal });
  } finally {
    calls.end();
  }
}
