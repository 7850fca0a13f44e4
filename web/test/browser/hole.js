// A network that can fail: a TCP relay that can hold every byte back, and cut
// its connections.
import { once } from "node:events";
import net from "node:net";
import { setTimeout as delay } from "node:timers/promises";

/** Relays to a port of this machine. */
export class Hole {
  #server;
  /** @type {Set<net.Socket>} */ #sockets = new Set();
  #holding = false;

  /** @param {number} to */
  constructor(to) {
    this.#server = net.createServer((client) => this.#join(client, net.connect({ port: to, host: "127.0.0.1" })));
  }

  /** @returns {Promise<number>} its port */
  async listen() {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    return /** @type {net.AddressInfo} */ (this.#server.address()).port;
  }

  /** @param {net.Socket} client @param {net.Socket} upstream */
  #join(client, upstream) {
    for (const [end, other] of [[client, upstream], [upstream, client]]) {
      this.#sockets.add(end);
      end.on("data", (bytes) => { if (!other.write(bytes)) end.pause(); });
      end.on("drain", () => { if (!this.#holding) other.resume(); });
      end.on("error", () => {}); // its close comes
      end.on("close", () => {
        this.#sockets.delete(end);
        other.destroy();
      });
      if (this.#holding) end.pause();
    }
  }

  /** From now on nothing passes, and nobody is told: not even of an end. */
  hold() {
    this.#holding = true;
    for (const socket of this.#sockets) socket.pause();
  }

  /** What was held passes. */
  release() {
    this.#holding = false;
    for (const socket of this.#sockets) socket.resume();
  }

  /** Resets every connection that there is; new ones pass. */
  reset() {
    this.#holding = false;
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  /** Waits until all connections have ended by themselves. */
  async untilEmpty() {
    for (const deadline = Date.now() + 15_000; this.#sockets.size > 0; await delay(25)) {
      if (Date.now() > deadline) throw new Error(`${this.#sockets.size / 2} connections are left`);
    }
  }

  async close() {
    const closed = once(this.#server, "close");
    this.#server.close();
    this.reset();
    await closed;
  }
}
