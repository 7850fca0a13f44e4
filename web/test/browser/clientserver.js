// A web server with the client's files and some of a test's own. The content
// security policy of the bridge's pages allows a test no Worker of its own.
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import http from "node:http";
import { extname } from "node:path";

const client = new URL("../../client/", import.meta.url);
const types = /** @type {Record<string, string>} */ ({ ".js": "text/javascript", ".wasm": "application/wasm", ".html": "text/html" });

/**
 * @param {Record<string, string>} files their text, by path
 * @returns {Promise<{origin: string, close: () => Promise<void>}>}
 */
export async function serveClient(files) {
  const server = http.createServer(async (request, response) => {
    const path = new URL(request.url ?? "", "http://any").pathname;
    const content = files[path] ?? (path.startsWith("/client/") && await readFile(new URL(path.slice("/client/".length), client)).catch(() => undefined));
    if (content) response.writeHead(200, { "Content-Type": types[extname(path)] ?? "text/html" }).end(content);
    else response.writeHead(404).end();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  return {
    origin: `http://127.0.0.1:${port}`,
    async close() {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
