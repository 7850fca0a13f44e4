// What looks into a disk. This is the one module of the page that knows where
// that comes from.
import { inspect } from "../../client/inspect/index.js";

/** @typedef {import("../../client/inspect/index.js").Inspector} Inspector */
/** @typedef {import("../../client/inspect/index.js").Layout} Layout */
/** @typedef {import("../../client/inspect/index.js").Part} Part */
/** @typedef {import("../../client/inspect/index.js").Signature} Signature */
/** @typedef {import("../../client/inspect/index.js").SearchOptions} SearchOptions */
/** @typedef {import("../../client/inspect/index.js").Needle} Needle */
/** @typedef {import("../../client/inspect/index.js").Hit} Hit */
/** @typedef {import("../../client/device.js").BlockDevice} BlockDevice */

/**
 * @param {BlockDevice} device it is read, and not closed
 * @param {{signal?: AbortSignal}} options
 * @returns {Promise<Inspector>}
 */
export function startInspector(device, options) {
  return inspect(device, options);
}
