// Chromium asks its user before a public page may reach the user's own network,
// and to the page a refusal looks like a bridge that is not there.
import { NbdError } from "./errors.js";

/** Its names over time. */
const permissions = ["local-network-access", "local-network", "loopback-network"];
/** Addresses that are not public, as far as a host's name tells. */
const local = /^(localhost|.*\.localhost|.*\.local|127\..*|10\..*|192\.168\..*|172\.(1[6-9]|2\d|3[01])\..*|169\.254\..*|\[(::1|f[cd].*|fe[89ab].*)\])$/;

/** @typedef {"denied" | "prompt"} LocalNetwork */

/** @type {Record<LocalNetwork, string>} */
const advice = {
  denied: "This page may not reach your local network, by the browser's settings: if the bridge is there, allow it in the settings of this site and try again.",
  prompt: "This page has not been allowed to reach your local network: if the bridge is there, allow it when the browser asks, and try again.",
};

/**
 * Adds to a failure that the browser may be the reason for it, where it may.
 * @param {unknown} error
 * @returns {Promise<unknown>} what to throw
 */
export async function explained(error) {
  if (!(error instanceof NbdError) || error.code !== "BRIDGE_UNREACHABLE") return error;
  const state = await localNetwork();
  if (!state) return error;
  const { message, details, stage, cause } = error;
  return new NbdError(error.code, `${message} ${advice[state]} Or serve the page from the bridge itself.`, { ...details, localNetwork: state }, { stage, cause });
}

/** @returns {Promise<LocalNetwork | undefined>} what keeps this page away from a local network */
async function localNetwork() {
  if (!globalThis.isSecureContext || local.test(globalThis.location?.hostname ?? "localhost")) return undefined;
  const states = await Promise.all(permissions.map(stateOf));
  if (states.includes("denied")) return "denied";
  return states.includes("prompt") ? "prompt" : undefined;
}

/** @param {string} name of a permission, which most browsers don't know */
async function stateOf(name) {
  try {
    return (await navigator.permissions.query(/** @type {any} */ ({ name }))).state;
  } catch {
    return undefined;
  }
}
