// Why there is no hash.
import { grouped } from "../../page/text.js";

/**
 * What a failed read means for a hash.
 * @param {any} error
 * @param {import("./run.js").Subject} subject
 * @returns {unknown} the same, or one that says where it was
 */
export function failureOf(error, { device, offset }) {
  if (error?.code !== "EIO" || typeof error.offset !== "number") return error;
  return new Error(`${error.message} A hash is of every byte, so there is none of this. Acquire goes around what can’t be read, and records where that was.`, { cause: error });
}
