// Values that somebody expects, as people paste them: digits alone, or lines of
// sha256sum and its like.

/** @typedef {"md5" | "sha1" | "sha256" | "sha512"} HashName */
/** @typedef {Partial<Record<HashName, string>>} Sums lower-case hex by algorithm */

/** What can be hashed with. @type {Readonly<Record<HashName, {title: string, digits: number}>>} */
export const algorithms = Object.freeze({
  md5: { title: "MD5", digits: 32 },
  sha1: { title: "SHA-1", digits: 40 },
  sha256: { title: "SHA-256", digits: 64 },
  sha512: { title: "SHA-512", digits: 128 },
});

export const names = /** @type {HashName[]} */ (Object.keys(algorithms));

/** What can't be a value; the message is for the user. */
export class ExpectedError extends Error {}

/** The longest text that is looked at, in characters: four lines with paths. */
const longest = 64 << 10;

// "SHA256 (disk.img) = 12ab", as of BSD and `sha256sum --tag`; "SHA2-256(disk.img)= 12ab", as of openssl.
const tagged = /^\\?([a-z0-9/-]+) ?\(.*\) ?= ?(\S+)$/i;
// "sha256:12ab", as of registries
const prefixed = /^([a-z0-9-]+): ?(\S+)$/i;
// "12ab  disk.img" or "12ab *disk.img"; a backslash says that the name has odd characters.
const summed = /^\\?([0-9a-f]+)(?: [ *].*)?$/i;

/**
 * The values in a text, one in a line; each tells its algorithm by its length,
 * and by its name if there is one.
 * @param {string} text
 * @returns {Sums} empty if there are none
 * @throws {ExpectedError}
 */
export function expectedOf(text) {
  if (text.length > longest) throw new ExpectedError("That is too long. Paste the value, or its one line of a file of sums.");
  /** @type {Sums} */ const sums = {};
  for (const line of text.split(/\r?\n/).map((l) => l.trim()).filter(Boolean)) {
    const { name, value } = sumOf(line);
    if (sums[name] !== undefined && sums[name] !== value) throw new ExpectedError(`There are two values of ${algorithms[name].title}. Leave the one that is meant.`);
    sums[name] = value;
  }
  return sums;
}

/** @param {string} line @returns {{name: HashName, value: string}} */
function sumOf(line) {
  const [, said, value] = tagged.exec(line) ?? prefixed.exec(line) ?? [undefined, "", summed.exec(line)?.[1] ?? ""];
  if (!/^[0-9a-f]+$/i.test(value)) throw new ExpectedError("A value is in hexadecimal digits: paste it alone, or as a line of sha256sum and its like.");
  const name = names.find((n) => algorithms[n].digits === value.length);
  if (!name) throw new ExpectedError(`The value has ${value.length} digits; ${names.map((n) => `${algorithms[n].title} has ${algorithms[n].digits}`).join(", ")}.`);
  if (said && !isNameOf(said, name)) throw new ExpectedError(`The line says ${said.slice(0, 20)}, and its value is as long as one of ${algorithms[name].title}.`);
  return { name, value: value.toLowerCase() };
}

/** Such as "SHA2-256", "SHA-256", "sha256" @param {string} said @param {HashName} name */
function isNameOf(said, name) {
  return said.toLowerCase().replace(/^sha2-/, "sha").replace("-", "") === name;
}

/**
 * How values compare with what was expected of them.
 * @param {Sums} found
 * @param {Sums} expected
 * @returns {{name: HashName, found: string, expected: string, equal: boolean}[]}
 */
export function compare(found, expected) {
  return names.flatMap((name) => {
    const [is, should] = [found[name], expected[name]];
    return is && should ? [{ name, found: is, expected: should, equal: is === should }] : [];
  });
}
