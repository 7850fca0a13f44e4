import { describe } from "../errors.js";

/** @typedef {import("../errors.js").Failure} Failure */

/**
 * A failure that surely can be handed to another thread: what others put into
 * details and causes sometimes can't.
 * @param {unknown} error
 * @returns {Failure}
 */
export function failureOf(error) {
  const failure = describe(error);
  try {
    return structuredClone(failure);
  } catch {
    return shortened(failure);
  }
}

/** What matters most of it. @param {Failure} failure @param {number} [length] of the message at most */
export function shortened({ code, message, stage }, length) {
  return { code, message: String(message).slice(0, length), stage };
}
