// Names of files that a browser is to save: RFC 6266 and RFC 8187.

/** What file systems take, in bytes of UTF-8, with room for "(1)". */
const longestName = 200;
const fallback = "disk.img";

/** Devices of Windows, which are no files under any folder or ending. */
const reserved = /^(con|prn|aux|nul|com\d|lpt\d)(?=\s*(\.|$))/i;

/**
 * A name that is one of a file in a folder everywhere, and looks like what it is.
 * @param {string} name
 * @returns {string}
 */
export function safeName(name) {
  const plain = name
    .replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\uFFFD]/gu, "") // what is not seen, or turns the others around
    .normalize("NFC")
    .replace(/[/\\:*?"<>|%]/g, "_")
    .replace(/^[\s.~]+/u, "")
    .replace(reserved, "_$&");
  return shorten(plain).replace(/[\s.]+$/u, "") || fallback;
}

/** Keeps the ending, if it is short. @param {string} name */
function shorten(name) {
  const ending = /\.[^.]{1,16}$/u.exec(name)?.[0] ?? "";
  let stem = [...name.slice(0, name.length - ending.length)].slice(0, longestName);
  while (bytesOf(stem.join("") + ending) > longestName) stem = stem.slice(0, -1);
  return stem.join("") + ending;
}

/** @param {string} text */
const bytesOf = (text) => new TextEncoder().encode(text).length;

/**
 * @param {string} name from safeName
 * @returns {string} the value of Content-Disposition
 */
export function attachment(name) {
  const ascii = name.replace(/[^\x20-\x7e]/g, "_");
  const both = `attachment; filename="${ascii}"`;
  return ascii === name ? both : `${both}; filename*=UTF-8''${encoded(name)}`;
}

/** As RFC 8187 has it: encodeURIComponent, and what that leaves. @param {string} name */
function encoded(name) {
  return encodeURIComponent(name).replace(/['()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
}
