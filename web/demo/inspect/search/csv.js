// Hits as CSV (RFC 4180), for spreadsheets and scripts.
import { asHex } from "../bytes/copy.js";
import { plainText } from "./hits.js";

/** @typedef {import("../inspector.js").Hit} Hit */

/** Rows that are written at once: what takes longer would hold the page up. */
const rowsAtOnce = 200;

const columns = ["offset", "offset_hex", "length", "keyword", "encoding", "before", "context_hex", "context_text"];

/**
 * The hits in pieces of text. The context is the hit with up to 32 bytes on each
 * side; before says how many of its bytes come before the hit.
 * @param {readonly Hit[]} hits
 * @param {readonly string[]} keywords
 * @returns {Generator<string>}
 */
export function* csvOf(hits, keywords) {
  yield row(columns);
  for (let at = 0; at < hits.length; at += rowsAtOnce) yield hits.slice(at, at + rowsAtOnce).map((hit) => row(cellsOf(hit, keywords))).join("");
}

/** @param {Hit} hit @param {readonly string[]} keywords */
function cellsOf({ offset, length, needle, encoding, bytes, before }, keywords) {
  return [offset, `0x${offset.toString(16)}`, length, keywords[needle] ?? "", encoding ?? "bytes", before, asHex(bytes), plainText(bytes)];
}

/** @param {readonly (string | number)[]} cells */
function row(cells) {
  return `${cells.map((cell) => typeof cell === "number" ? String(cell) : quoted(cell)).join(",")}\r\n`;
}

/**
 * What a spreadsheet would take for a formula gets an apostrophe in front: a
 * disk, or a list of keywords, may have been made to be one.
 * @param {string} text
 */
function quoted(text) {
  const safe = /^[=+\-@\t\r\n]/.test(text) ? `'${text}` : text;
  return `"${safe.replaceAll('"', '""')}"`;
}
