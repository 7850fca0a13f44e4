// Where a page is led by the fragment of its URL: the fragment, because that is
// never sent to a server. It fills in a form, and does nothing by itself.

/**
 * @typedef {object} Link
 * @property {string} [bridge] URL, as the form has it
 * @property {string} [target]
 * @property {string} [exportName]
 */

// A name in NBD has 4096 bytes at most, and the rest is shorter.
const LONGEST = 4096;

// What a field of one line would drop in silence, and what was no UTF-8.
const UNMEANT = /[\p{Cc}\uFFFD]/u;

// A user with a password, or a query, such as that with a ticket.
const SECRET = /\/\/[^/]*@|[?#]/;

/**
 * Reads the fragment of a URL. What is unknown, or can't be meant, is left out.
 * @param {string} hash with or without its #
 * @returns {Link}
 */
export function parseLink(hash) {
  const given = new URLSearchParams(hash.replace(/^#/, ""));
  const part = (/** @type {string} */ name) => {
    const text = given.get(name);
    return text !== null && text.length <= LONGEST && !UNMEANT.test(text) ? text : undefined;
  };
  const found = { bridge: part("bridge"), target: part("target"), exportName: part("export") };
  return /** @type {Link} */ (Object.fromEntries(Object.entries(found).filter(([, text]) => text !== undefined)));
}

/**
 * The fragment for a link, with its #, or nothing. A bridge's URL in which
 * something secret may be is left out.
 * @param {Link} link
 */
export function formatLink({ bridge, target, exportName }) {
  const parts = Object.entries({ bridge: bridge && !SECRET.test(bridge) ? bridge : "", target, export: exportName }).filter(([, text]) => text);
  return parts.length > 0 ? `#${new URLSearchParams(/** @type {[string, string][]} */ (parts))}` : "";
}
