// What is searched for, as people type it.

/** The most that is searched for at once, in bytes of UTF-8 or of hexadecimal. */
export const maxNeedle = 256;

/** @typedef {import("../inspector.js").Needle} Needle */

/** How the search's field is read: "text" is in any of the encodings. @typedef {"hex" | "text" | "utf-8" | "utf-16le" | "utf-16be"} NeedleKind */

/** What can't be searched for; the message is for the user. */
export class NeedleError extends Error {}

/**
 * @param {string} text
 * @param {NeedleKind} kind
 * @param {boolean} ignoreCase of the letters A to Z; it means nothing for "hex"
 * @returns {Needle}
 * @throws {NeedleError}
 */
export function needleOf(text, kind, ignoreCase) {
  if (kind === "hex") return { bytes: checked(hexBytes(text)) };
  if (text === "") throw new NeedleError("Type a text to search for.");
  if (!text.isWellFormed()) throw new NeedleError("The text has half of a character; type it anew.");
  checked(new TextEncoder().encode(text));
  return kind === "text" ? { text, ignoreCase } : { text, ignoreCase, encodings: [kind] };
}

/** @template {Uint8Array} T @param {T} bytes @returns {T} */
function checked(bytes) {
  if (bytes.length > maxNeedle) throw new NeedleError(`That is ${bytes.length} bytes; a search takes ${maxNeedle} at most.`);
  return bytes;
}

/** @param {string} text */
function hexBytes(text) {
  const digits = text.replace(/0x|[\s,:;-]/gi, "");
  if (!/^([0-9a-f]{2})+$/i.test(digits)) throw new NeedleError("Type bytes as pairs of hexadecimal digits, such as 55 AA.");
  return Uint8Array.from(digits.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}
