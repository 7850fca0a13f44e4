// A web server that knows files and nothing else.
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import http from "node:http";
import { extname, join, normalize } from "node:path";

const types = /** @type {Record<string, string>} */ ({ ".html": "text/html", ".js": "text/javascript", ".wasm": "application/wasm", ".css": "text/css", ".mjs": "text/javascript", ".svg": "image/svg+xml" });

/** An answer that is no file. @typedef {{type?: string, body: string | Uint8Array}} Page */

/**
 * Serves a folder, and pages beside it.
 * @param {string | Record<string, string>} folder or several, by the first part of the path
 * @param {{pages?: Record<string, Page>, headers?: http.OutgoingHttpHeaders}} [more]
 */
export async function serveFolder(folder, { pages = {}, headers = {} } = {}) {
  /** @type {string[]} */ const asked = [];
  const server = http.createServer(async (request, response) => {
    const path = normalize(new URL(request.url ?? "", "http://x").pathname);
    asked.push(path);
    const page = pages[path];
    const body = page ? page.body : await readFile(fileOf(folder, path.endsWith("/") ? `${path}index.html` : path)).catch(() => undefined);
    if (body === undefined) return response.writeHead(404).end();
    const type = page ? page.type ?? "text/html" : types[extname(path) || ".html"] ?? "application/octet-stream";
    response.writeHead(200, { "Content-Type": type, "Cache-Control": "no-store", ...headers }).end(body);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  return {
    origin: `http://127.0.0.1:${port}`,
    asked,
    close: async () => {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

/** @param {string | Record<string, string>} folder @param {string} path */
function fileOf(folder, path) {
  if (typeof folder === "string") return join(folder, path);
  const [, first, ...rest] = path.split("/");
  return Object.hasOwn(folder, first) ? join(folder[first], ...rest) : "";
}
