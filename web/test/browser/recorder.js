// A TCP relay that keeps every byte, and the search for disk data in what it kept.
import net from "node:net";

/**
 * Starts a relay to a TCP port or Unix socket.
 * @param {{port?: number, host?: string, path?: string}} to
 */
export async function record(to) {
  /** @type {{up: Buffer[], down: Buffer[]}[]} */
  const sessions = [];
  /** @type {Set<net.Socket>} */
  const sockets = new Set();
  const server = net.createServer((client) => {
    const session = { up: /** @type {Buffer[]} */ ([]), down: /** @type {Buffer[]} */ ([]) };
    sessions.push(session);
    const upstream = net.connect(/** @type {net.NetConnectOpts} */ (to));
    client.on("data", (b) => session.up.push(b));
    upstream.on("data", (b) => session.down.push(b));
    client.pipe(upstream).pipe(client);
    for (const [end, other] of [[client, upstream], [upstream, client]]) {
      sockets.add(end);
      end.on("error", () => other.destroy());
      end.on("close", () => {
        sockets.delete(end);
        other.destroy();
      });
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  const { port } = /** @type {net.AddressInfo} */ (server.address());
  const drop = () => { for (const socket of sockets) socket.destroy(); };
  return {
    port,
    /** Ends the connections that are there: a browser keeps some in stock. */
    drop,
    /** Everything that was carried, each direction of each connection by itself. */
    streams: () => sessions.flatMap((s) => [Buffer.concat(s.up), Buffer.concat(s.down)]),
    // A browser keeps its HTTP connections for minutes: they are cut.
    close: () => new Promise((resolve) => {
      server.close(resolve);
      drop();
    }),
  };
}

/**
 * Takes the payload out of one direction of a WebSocket connection: the HTTP
 * head is skipped, data frames are unmasked and put together. A connection
 * that never became a WebSocket comes back as it is.
 * @param {Buffer} stream
 */
export function webSocketPayload(stream) {
  const head = stream.indexOf("\r\n\r\n");
  if (head < 0 || !/^upgrade: *websocket/im.test(stream.toString("latin1", 0, head))) return stream;
  const parts = [];
  for (let at = head + 4; at + 2 <= stream.length; ) {
    const opcode = stream[at] & 0x0f, masked = stream[at + 1] & 0x80;
    let length = stream[at + 1] & 0x7f;
    at += 2;
    if (length === 126) { length = stream.readUInt16BE(at); at += 2; }
    else if (length === 127) { length = Number(stream.readBigUInt64BE(at)); at += 8; }
    const mask = masked ? stream.subarray(at, at += 4) : null;
    const payload = Buffer.from(stream.subarray(at, at += length));
    if (mask) for (let i = 0; i < payload.length; i++) payload[i] ^= mask[i & 3];
    if (opcode <= 2) parts.push(payload);
  }
  return Buffer.concat(parts);
}

const RUN = 16; // bytes of disk data that count as a leak

/**
 * Counts the places in a stream that begin a 16-byte run of the disk's data.
 * @param {Buffer} stream
 * @param {Buffer} disk must hold no run that appears by chance: random bytes
 */
export function leaks(stream, disk) {
  const runs = new Set();
  for (let i = 0; i + RUN <= disk.length; i++) runs.add(disk.toString("latin1", i, i + RUN));
  let found = 0;
  for (let i = 0; i + RUN <= stream.length; i++) {
    if (runs.has(stream.toString("latin1", i, i + RUN))) found++;
  }
  return found;
}
