// What `bridge demo` offers to its own page, so that a newcomer types nothing.

/**
 * @typedef {object} LocalDemo
 * @property {string} target
 * @property {string} exportName one that there is
 * @property {string} serverName
 * @property {string} ca PEM
 * @property {string} cert PEM, for the demo only
 * @property {string} key PEM, for the demo only
 */

/**
 * Asks the page's own server. The file that is there says null; `bridge demo`
 * answers in its place.
 * @returns {Promise<LocalDemo | undefined>}
 */
export async function fetchLocalDemo() {
  const response = await fetch(new URL("../local.json", import.meta.url), { cache: "no-store" }).catch(() => undefined);
  if (!response?.ok) return undefined;
  const demo = await response.json();
  if (!demo) return undefined;
  const { target, serverName, exports, ca, cert, key } = demo;
  return { target: String(target), exportName: String(exports[0] ?? ""), serverName: String(serverName), ca: String(ca), cert: String(cert), key: String(key) };
}
