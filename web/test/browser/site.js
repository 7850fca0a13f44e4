// A site of somebody else's that uses the package: a page, and files.
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import http from "node:http";
import { extname, join, normalize } from "node:path";

/** @type {Record<string, string>} */
const types = { ".js": "text/javascript", ".mjs": "text/javascript", ".wasm": "application/wasm", ".html": "text/html" };

/**
 * Serves folders by the first part of the path, and an empty page for /.
 * @param {Record<string, string>} folders
 */
export async function serveSite(folders) {
  const server = http.createServer(async (request, response) => {
    const [, first, ...rest] = normalize(decodeURI(request.url ?? "/")).split("/");
    if (first === "") return void response.writeHead(200, { "Content-Type": "text/html" }).end("<!doctype html><title>site</title>");
    const file = Object.hasOwn(folders, first) ? join(folders[first], ...rest) : "";
    const content = await readFile(file).catch(() => undefined);
    if (!content) return void response.writeHead(404).end();
    response.writeHead(200, { "Content-Type": types[extname(file)] ?? "application/octet-stream" }).end(content);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  return {
    origin: `http://127.0.0.1:${port}`,
    async close() {
      server.close();
      server.closeAllConnections();
    },
  };
}
