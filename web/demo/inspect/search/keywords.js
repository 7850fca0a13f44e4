// Lists of keywords, as examiners keep them.
import { NeedleError, needleOf } from "./needles.js";

/** The largest file of keywords that is read, in bytes. */
export const maxFile = 64 << 10;
/** What is searched for at once; each encoding of a text counts. The package takes no more. */
export const maxNeedles = 3072;

/** @typedef {import("./needles.js").Needle} Needle */
/** @typedef {import("./needles.js").NeedleKind} NeedleKind */

/** @typedef {{label: string, needle: Needle}} Keyword label: as it was typed */

/**
 * One keyword in each line. Empty lines and comments are left out, and so is
 * what is there twice.
 * @param {string} text
 * @param {NeedleKind} kind of the lines that say nothing else
 * @param {boolean} ignoreCase
 * @returns {Keyword[]}
 * @throws {NeedleError} which says the line
 */
export function keywordsOf(text, kind, ignoreCase) {
  /** @type {Map<string, Keyword>} */ const all = new Map();
  for (const [i, line] of text.split(/\r\n|\r|\n/).entries()) {
    const label = line.trim();
    if (label && !label.startsWith("#") && !all.has(label)) all.set(label, { label, needle: lineOf(label, kind, ignoreCase, i + 1) });
  }
  return [...all.values()];
}

/** @param {string} label @param {NeedleKind} kind @param {boolean} ignoreCase @param {number} line */
function lineOf(label, kind, ignoreCase, line) {
  const hex = /^hex:(.*)$/i.exec(label);
  try {
    return hex ? needleOf(hex[1], "hex", ignoreCase) : needleOf(label, kind, ignoreCase);
  } catch (error) {
    if (error instanceof NeedleError) throw new NeedleError(`Line ${line}: ${error.message}`);
    throw error;
  }
}

/**
 * Checks that a search can take so many.
 * @param {readonly Keyword[]} keywords
 * @throws {NeedleError}
 */
export function checkCount(keywords) {
  const count = keywords.reduce((sum, { needle }) => sum + ("text" in needle ? needle.encodings?.length ?? 3 : 1), 0);
  if (count <= maxNeedles) return;
  throw new NeedleError(`These ${keywords.length} keywords are ${count} to search for, since each encoding of a text counts, and a search takes ${maxNeedles}. Choose one encoding, or search in several goes.`);
}

/**
 * @param {Blob} file
 * @returns {Promise<string>} its text
 * @throws {NeedleError}
 */
export async function keywordsIn(file) {
  if (file.size > maxFile) throw new NeedleError(`The file has ${file.size} bytes; a list of keywords has ${maxFile} at most.`);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(await file.arrayBuffer());
  } catch {
    throw new NeedleError("The file is not text in UTF-8. Save it as that, and choose it again.");
  }
}
