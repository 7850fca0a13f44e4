// What a hostile page needs.
import { once } from "node:events";
import http from "node:http";

/** A blank page, of whatever name leads here. */
export async function blankSite() {
  const server = http.createServer((request, response) => {
    // No connection is kept, so that each request asks again where the name leads.
    response.writeHead(200, { "Content-Type": "text/html", Connection: "close" }).end("<!doctype html><title>blank</title>");
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  return {
    port,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** @typedef {{opened: boolean, bytes: number, code: number, reason: string}} Knock */

/**
 * Runs in the page: opens a WebSocket, waits for a first message or the end, and
 * tells what there was.
 * @param {{url: string, protocols?: string[]}} to
 * @returns {Promise<Knock>}
 */
export function knock({ url, protocols = ["nbd"] }) {
  return new Promise((resolve) => {
    const seen = { opened: false, bytes: 0 };
    const socket = new WebSocket(url, protocols);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => { seen.opened = true; };
    socket.onmessage = ({ data }) => {
      seen.bytes += data.byteLength;
      socket.close();
    };
    socket.onclose = ({ code, reason }) => resolve({ ...seen, code, reason });
  });
}

/**
 * Runs in the page: asks for a URL; tells the status and the text, or that the
 * browser keeps them from the page.
 * @param {{url: string, init?: RequestInit}} to
 */
export async function ask({ url, init }) {
  try {
    const answer = await fetch(url, init);
    return { type: answer.type, status: answer.status, text: await answer.text() };
  } catch {
    return { type: "error", status: 0, text: "" };
  }
}
