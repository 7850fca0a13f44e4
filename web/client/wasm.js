import { resolve } from "./spawn.js";

/**
 * What was compiled, by URL, so that the next connection neither fetches nor
 * compiles. It is kept as long as the page: there is one for each URL, so mostly
 * one, and the engine shares its code with the instances. A newer file behind
 * the URL is for the next page load, which gets the JavaScript that fits it.
 * @type {Map<string, WebAssembly.Module>}
 */
const compiled = new Map();

/**
 * Makes a new Worker ready for its first call.
 * @param {import("./rpc.js").Rpc} rpc
 * @param {string | URL | WebAssembly.Module} [wasm] the default is nbd.wasm beside this module
 * @param {AbortSignal} [signal]
 */
export async function start(rpc, wasm = new URL("./nbd.wasm", import.meta.url), signal) {
  if (typeof wasm !== "string" && !(wasm instanceof URL)) return rpc.call("start", [wasm], { signal });
  const url = resolve("wasm", wasm).href;
  const fresh = await rpc.call("start", [compiled.get(url) ?? url], { signal });
  if (fresh) compiled.set(url, fresh);
}
