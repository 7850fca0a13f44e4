// What is searched for, as people type it.

/** The most that is searched for at once, in bytes. */
export const maxNeedle = 256;

/** @typedef {"hex" | "text" | "utf-8" | "utf-16le" | "utf-16be"} NeedleKind "text" is all three encodings */

/** @typedef {{bytes: Uint8Array<ArrayBuffer>, ignoreCase: boolean, name: string}} Needle */

/** What can't be searched for; the message is for the user. */
export class NeedleError extends Error {}

/**
 * @param {string} text
 * @param {NeedleKind} kind
 * @param {boolean} ignoreCase of ASCII letters; it means nothing for "hex"
 * @returns {Needle[]}
 * @throws {NeedleError}
 */
export function needlesOf(text, kind, ignoreCase) {
  if (kind === "hex") return [checked({ bytes: hexBytes(text), ignoreCase: false, name: "bytes" })];
  if (text === "") throw new NeedleError("Type a text to search for.");
  if (!text.isWellFormed()) throw new NeedleError("The text has half of a character; type it anew.");
  const all = /** @type {const} */ (["utf-8", "utf-16le", "utf-16be"]);
  return all.filter((encoding) => kind === "text" || kind === encoding)
    .map((encoding) => checked({ bytes: encoded(text, encoding), ignoreCase, name: names[encoding] }));
}

const names = { "utf-8": "UTF-8", "utf-16le": "UTF-16LE", "utf-16be": "UTF-16BE" };

/** @param {Needle} needle */
function checked(needle) {
  if (needle.bytes.length > maxNeedle) throw new NeedleError(`That is ${needle.bytes.length} bytes; a search takes ${maxNeedle} at most.`);
  return needle;
}

/** @param {string} text */
function hexBytes(text) {
  const digits = text.replace(/0x|[\s,:;-]/gi, "");
  if (!/^([0-9a-f]{2})+$/i.test(digits)) throw new NeedleError("Type bytes as pairs of hexadecimal digits, such as 55 AA.");
  return Uint8Array.from(digits.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

/** @param {string} text @param {"utf-8" | "utf-16le" | "utf-16be"} encoding */
function encoded(text, encoding) {
  if (encoding === "utf-8") return new TextEncoder().encode(text);
  const bytes = new Uint8Array(text.length * 2);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < text.length; i++) view.setUint16(i * 2, text.charCodeAt(i), encoding === "utf-16le");
  return bytes;
}
