// What this page is made of, for the log: every file of its own server that it
// has loaded, or that one of those names to be loaded later, by its hash.
import { NbdError } from "../../../client/index.js";
import { sha256Of } from "./signature.js";

/** Files of a page at most, and bytes of one: the page has some hundred, and the largest is a WebAssembly. */
const maxFiles = 1000, maxBytes = 32 << 20;
/** Files that are fetched at once. */
const atOnce = 6;
/** What the page has asked for that is no part of it: the demo's keys, made anew with each start. */
const others = /\/local\.json$/;

performance.setResourceTimingBufferSize?.(maxFiles); // browsers remember 250 by default

/** @typedef {import("../../../client/evidence/index.js").Page} Page */

/**
 * Where files come from.
 * @typedef {object} Surroundings
 * @property {string} url of the page
 * @property {readonly string[]} loaded URLs that the page has loaded
 * @property {(url: string) => Promise<Response>} fetch
 */

/** @type {() => Surroundings} */
const here = () => ({
  url: location.href,
  loaded: performance.getEntriesByType("resource").map(({ name }) => name),
  fetch: (url) => fetch(url, { cache: "force-cache" }),
});

/**
 * Browsers tell nothing of what their Workers load, so the modules' own words
 * are followed. It is what the page says of itself: a page that lies has it say
 * anything.
 * @param {Surroundings} around
 * @returns {Promise<Page>} rejects with EIO where a file can't be had again
 */
export async function pageFacts(around = here()) {
  const { origin, pathname } = new URL(around.url);
  const files = await hashed(origin, [pathname, ...pathsOf(origin, around.loaded)], around);
  return { origin, url: origin + pathname, sha256: await sha256Of(new TextEncoder().encode(asLines(files))), files };
}

/** As sha256sum prints them. @param {Page["files"]} files */
export function asLines(files) {
  return files.map(({ path, sha256 }) => `${sha256}  ${path}\n`).join("");
}

/** @param {string} origin @param {readonly string[]} urls @returns {string[]} those of this origin, without what varies */
function pathsOf(origin, urls) {
  return urls.map((url) => new URL(url)).filter((url) => url.origin === origin).map(({ pathname }) => pathname).filter((path) => !others.test(path));
}

/**
 * @param {string} origin
 * @param {string[]} loaded paths that the page has for certain
 * @param {Surroundings} around
 */
async function hashed(origin, loaded, { fetch }) {
  const known = new Set(loaded), waiting = [...known];
  /** @type {Page["files"]} */ const files = [];
  const work = async (/** @type {string} */ path) => {
    const bytes = await bytesOf(await fetch(origin + path).catch(() => undefined));
    if (!bytes) return missing(path, loaded);
    files.push({ path, sha256: await sha256Of(bytes) });
    if (!path.endsWith(".js")) return;
    for (const named of namedIn(new TextDecoder().decode(bytes)).map((name) => new URL(name, origin + path).pathname)) {
      if (!known.has(named) && known.size < maxFiles) waiting.push([...known.add(named)].at(-1) ?? "");
    }
  };
  while (waiting.length > 0) await Promise.all(waiting.splice(0, atOnce).map(work));
  return files.sort((a, b) => a.path < b.path ? -1 : 1);
}

/** @param {Response | undefined} response */
async function bytesOf(response) {
  if (!response?.ok) return undefined;
  const bytes = await response.arrayBuffer().catch(() => undefined);
  return bytes && bytes.byteLength <= maxBytes ? bytes : undefined;
}

/** What only a comment named may not be there. @param {string} path @param {string[]} loaded */
function missing(path, loaded) {
  if (!loaded.includes(path)) return;
  throw new NbdError("EIO", `A file of this page could not be had from its server again: ${path}. So the log could not tell what this page is. Load the page anew, and see that its server can be reached.`, {}, { stage: "client" });
}

/**
 * The files that a module names, relative to itself: what it imports, Workers
 * and WebAssembly.
 * @param {string} text
 * @returns {string[]}
 */
export function namedIn(text) {
  const code = text.replace(/\/\*[^]*?\*\//g, "").replace(/^\s*\/\/.*$/gm, "");
  const names = code.matchAll(/(?:\b(?:from|import)\s*\(?\s*|\bnew URL\()"(\.{1,2}\/[^"]*[^"/])"/g);
  return [...names].map(([, name]) => name);
}
