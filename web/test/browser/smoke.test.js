// What everything else rests on: each browser starts, loads a page, and runs a
// module worker that opens a WebSocket.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import http from "node:http";
import { after, before, test } from "node:test";
import { inEachBrowser } from "./browsers.js";

const files = /** @type {Record<string, [string, string]>} */ ({
  "/": ["text/html", "<!doctype html><title>smoke</title>"],
  "/word.js": ["text/javascript", `export const word = "module";`],
  "/worker.js": ["text/javascript", `
    import { word } from "./word.js";
    const socket = new WebSocket("ws://" + location.host + "/");
    socket.onmessage = (event) => postMessage(word + " " + event.data);
    socket.onerror = () => postMessage("the WebSocket failed");`],
});

/** Accepts a WebSocket by RFC 6455, section 4.2.2, and sends one text message. */
function greet(/** @type {http.IncomingMessage} */ request, /** @type {import("node:stream").Duplex} */ socket) {
  const accept = createHash("sha1").update(request.headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest("base64");
  socket.on("error", () => {}); // the browser may just go
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
  socket.write(Buffer.from("\x81\x05hello", "latin1"));
}

inEachBrowser("the harness", ({ page: openPage }) => {
  /** @type {http.Server} */ let server;
  /** @type {Set<import("node:stream").Duplex>} */ const upgraded = new Set();
  before(async () => {
    server = http.createServer((request, response) => {
      const file = files[request.url ?? ""];
      if (file) response.writeHead(200, { "Content-Type": file[0] }).end(file[1]);
      else response.writeHead(404).end();
    });
    server.on("upgrade", (request, socket) => {
      upgraded.add(socket);
      greet(request, socket);
    });
    await once(server.listen(0, "127.0.0.1"), "listening");
  });
  after(async () => {
    const closed = once(server, "close");
    server.close();
    server.closeAllConnections();
    for (const socket of upgraded) socket.destroy();
    await closed;
  });

  test("a module worker opens a WebSocket", async () => {
    const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
    const page = await openPage(`http://127.0.0.1:${port}/`);
    const heard = await page.evaluate(() => new Promise((resolve, reject) => {
      const worker = new Worker("/worker.js", { type: "module" });
      worker.onmessage = (event) => resolve(event.data);
      worker.onerror = (event) => reject(new Error(event.message || "the worker did not start"));
    }));
    assert.equal(heard, "module hello");
    await page.close();
  });
});
