// A site with the client's files and those of a test, without any policy.
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";

/**
 * @param {Record<string, string>} scripts texts of modules, by path
 * @returns {Promise<{url: string, close: () => void}>} url is an empty page
 */
export async function site(scripts) {
  const server = createServer(async ({ url = "/" }, response) => {
    const script = scripts[url] ?? (/^\/client\/[\w/]+\.js$/.test(url) ? await readFile(new URL(`../..${url}`, import.meta.url), "utf8").catch(() => undefined) : undefined);
    response.setHeader("content-type", script === undefined ? "text/html" : "text/javascript");
    response.end(script ?? "<!doctype html><title>empty</title>");
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  return {
    url: `http://127.0.0.1:${port}/`,
    close: () => (server.closeAllConnections(), void server.close()),
  };
}
