// Conditional requests: RFC 9110, section 13. A device has no date of its last
// change, so the conditions that name a date never hold, or are ignored.

/** A lower-case name for each header field of a request. @typedef {Record<string, string | undefined>} Fields */

/**
 * What the conditions of a GET or HEAD make of it, in the order of section 13.2.2.
 * @param {Fields} fields
 * @param {string | undefined} etag of the device, strong; none where it may change
 * @returns {200 | 304 | 412}
 */
export function judge(fields, etag) {
  const { "if-match": match, "if-none-match": noneMatch } = fields;
  if (match !== undefined && !lists(match, etag, false)) return 412;
  if (noneMatch !== undefined && lists(noneMatch, etag, true)) return 304;
  return 200;
}

/**
 * Tells whether the Range field counts: without If-Range, or when that has the
 * very ETag. A weak one and a date never will do.
 * @param {Fields} fields
 * @param {string | undefined} etag
 */
export function rangeCounts({ "if-range": condition }, etag) {
  return condition === undefined || (etag !== undefined && condition.trim() === etag);
}

/**
 * @param {string} list of ETags, or *
 * @param {string | undefined} etag
 * @param {boolean} weak whether a weak one of the same text will do
 */
function lists(list, etag, weak) {
  if (list.trim() === "*") return true;
  return entityTags(list).some((tag) => tag === etag || (weak && tag === `W/${etag}`));
}

/** @param {string} list @returns {string[]} none if any of it can't be read */
function entityTags(list) {
  const tag = String.raw`(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"`;
  if (!new RegExp(`^[\\s,]*${tag}(?:\\s*,[\\s,]*${tag})*[\\s,]*$`).test(list)) return [];
  return list.match(new RegExp(tag, "g")) ?? [];
}
