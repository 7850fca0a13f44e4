// The Range header field: RFC 9110, section 14.

/** Ranges of one request, at most: more would cost more than they bring. */
const mostRanges = 256;
/** Ranges that overlap others, at most: who asks for more means harm, or errs. */
const mostOverlaps = 2;

/**
 * A part of the device in bytes; it lies within it and is not empty.
 * @typedef {{offset: number, length: number}} Part
 */

/**
 * What a Range header field asks for.
 * @param {string | null | undefined} header
 * @param {number} size of the device in bytes
 * @returns {Part[] | "unsatisfiable" | undefined} in the order of the request;
 *   undefined where it is missing, means nothing here or can't be read, and so
 *   counts for nothing
 */
export function parseRange(header, size) {
  const [, unit, set] = /^\s*([^\s=]+)=(.*)$/s.exec(header ?? "") ?? [];
  if (unit?.toLowerCase() !== "bytes") return undefined;
  const specs = set.split(",").map((spec) => spec.trim()).filter((spec) => spec !== "");
  if (specs.length > mostRanges) return "unsatisfiable";
  const parts = specs.map((spec) => partOf(spec, size));
  if (parts.length === 0 || parts.includes("invalid")) return undefined;
  const satisfiable = parts.filter((part) => typeof part === "object");
  return satisfiable.length === 0 || overlaps(satisfiable) > mostOverlaps ? "unsatisfiable" : satisfiable;
}

/**
 * @param {string} spec
 * @param {number} size
 * @returns {Part | "invalid" | "beyond"}
 */
function partOf(spec, size) {
  const [all, first, last] = /^(\d*)-(\d*)$/.exec(spec) ?? [];
  if (!all || all === "-") return "invalid";
  if (first === "") return suffix(Number(last), size);
  // Numbers that are too long for a double are far beyond the end either way.
  const [from, to] = [Number(first), last === "" ? Infinity : Number(last)];
  if (to < from) return "invalid";
  return from < size ? { offset: from, length: Math.min(to + 1, size) - from } : "beyond";
}

/**
 * @param {number} length
 * @param {number} size
 * @returns {Part | "invalid" | "beyond"}
 */
function suffix(length, size) {
  if (length === 0) return "beyond";
  if (size === 0) return "invalid"; // satisfiable, and no Content-Range can say so: the whole is the same
  return { offset: Math.max(size - length, 0), length: Math.min(length, size) };
}

/** How many parts begin inside of another one. @param {Part[]} parts */
function overlaps(parts) {
  let end = 0, count = 0;
  for (const { offset, length } of parts.toSorted((a, b) => a.offset - b.offset)) {
    if (offset < end) count++;
    end = Math.max(end, offset + length);
  }
  return count;
}

/** @param {Part} part @param {number} size */
export function contentRange({ offset, length }, size) {
  return `bytes ${offset}-${offset + length - 1}/${size}`;
}
