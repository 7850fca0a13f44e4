import { NbdError } from "./errors.js";
import { Rpc } from "./rpc.js";
import { start } from "./wasm.js";

/** How long a worker has to end its connection in order, in milliseconds. */
const partingLimit = 2000;

/** @typedef {import("./facts.js").DiskFacts} DiskFacts */
/** @typedef {import("./rpc.js").CallOptions} CallOptions */

/**
 * One connection of a disk, in a Worker of its own. It knows whether something
 * that it has changed is not flushed yet.
 */
export class Connection {
  #rpc;
  #pulse;
  #changing = 0;
  /** Changes that fulfilled and were not durable then. */ #changes = 0;
  /** Those of them that a flush has made durable. */ #flushed = 0;
  /** Called when atRisk may have changed. */ onRisk = () => {};
  /** @type {Promise<NbdError | undefined> | undefined} */ #parting;

  /**
   * Starts a Worker and has it open the export.
   * @param {ReturnType<typeof import("./options.js").openRequest>} parts
   * @param {import("./pulse.js").Pulse} pulse
   * @returns {Promise<Connection>}
   */
  static async open({ request, token, signal, wasm, worker }, pulse) {
    const key = {}; // names it before it is there
    /** @type {Connection | undefined} */ let connection;
    const rpc = new Rpc(worker, { token, event(kind, detail) {
      if (connection && kind === "connected") connection.facts = { ...connection.facts, tls: detail.tls ?? null };
      pulse.report(key, kind, detail);
    } });
    try {
      await start(rpc, wasm, signal);
      const facts = await rpc.call("open", [request, !!token], { signal });
      return connection = new Connection(rpc, pulse, key, facts);
    } catch (error) {
      rpc.terminate(abandoned());
      throw error;
    }
  }

  /**
   * @param {Rpc} rpc
   * @param {import("./pulse.js").Pulse} pulse
   * @param {object} key as which pulse knows it
   * @param {DiskFacts} facts
   */
  constructor(rpc, pulse, key, facts) {
    this.#rpc = rpc;
    this.#pulse = pulse;
    this.key = key;
    this.facts = facts;
    /** Fulfils when it has ended: with why, unless it was ended. @type {Promise<NbdError | undefined>} */
    this.closed = rpc.call("wait").then(() => undefined, (error) => error);
  }

  /**
   * @param {string} method
   * @param {unknown[]} args
   * @param {CallOptions} [options]
   * @returns {Promise<any>}
   */
  call(method, args, options = {}) {
    return this.#pulse.follow(this.#rpc.call(method, args, options), options.signal);
  }

  /**
   * @param {number} offset
   * @param {number} length
   * @param {AbortSignal} [signal]
   * @returns {Promise<Uint8Array<ArrayBuffer>>}
   */
  async read(offset, length, signal) {
    const bytes = await this.call("read", [offset, length], { signal });
    this.#pulse.moved({ bytesRead: length });
    return bytes;
  }

  /**
   * @param {number} offset
   * @param {Uint8Array<ArrayBuffer>} bytes alone in their buffer, or in one that may go
   * @param {boolean} fua
   * @param {AbortSignal} [signal]
   */
  async write(offset, bytes, fua, signal) {
    const { byteLength } = bytes;
    await this.change("write", [offset, bytes, fua], { signal, transfer: [bytes.buffer] }, fua);
    this.#pulse.moved({ bytesWritten: byteLength });
  }

  /**
   * A call that changes the disk.
   * @param {string} method
   * @param {unknown[]} args
   * @param {CallOptions} [options]
   * @param {boolean} [durable] when it fulfils
   */
  async change(method, args, options, durable = false) {
    this.#changing++;
    this.onRisk();
    try {
      await this.call(method, args, options);
      if (!durable && this.facts.features.flush) this.#changes++; // without flush there is no safety to wait for
    } finally {
      this.#changing--;
      this.onRisk();
    }
  }

  /** @param {AbortSignal} [signal] */
  async flush(signal) {
    const changes = this.#changes;
    await this.call("flush", [], { signal });
    this.#flushed = Math.max(this.#flushed, changes);
    this.onRisk();
  }

  /** Whether changes have fulfilled that are not durable. */
  get unflushed() { return this.#changes > this.#flushed; }
  /** Whether something would be lost if the page ended. */
  get atRisk() { return this.#changing > 0 || this.unflushed; }
  /** Whether it was lost, and is being made again. */
  get isDown() { return this.#pulse.isDown(this.key); }

  /**
   * Asks the worker to end it in order, and ends the worker.
   * @param {NbdError} error what other calls reject with
   * @returns {Promise<NbdError | undefined>} UNFLUSHED if acknowledged writes are lost with it
   */
  close(error) {
    this.#parting ??= this.#part(error);
    return this.#parting;
  }

  /** @param {NbdError} error */
  async #part(error) {
    const lost = this.#rpc.call("close").then(() => undefined, lossOf); // pending until the worker is done
    await this.#rpc.shutDown(error, partingLimit);
    return lost;
  }

  /**
   * Ends it at once.
   * @param {NbdError} error
   */
  terminate(error) {
    this.#rpc.terminate(error);
  }
}

/**
 * Makes the connections of a disk: the first tells whether there may be more.
 * @param {ReturnType<typeof import("./options.js").openRequest>} parts
 * @param {import("./pulse.js").Pulse} pulse
 * @returns {Promise<Connection[]>}
 */
export async function connect(parts, pulse) {
  const first = await Connection.open(parts, pulse);
  const more = first.facts.features.multipleConnections ? parts.connections - 1 : 0;
  const others = await Promise.allSettled(Array.from({ length: more }, () => Connection.open(parts, pulse).then((c) => sameAs(first, c))));
  const failed = others.find((other) => other.status === "rejected");
  const all = [first, ...others.flatMap((other) => other.status === "fulfilled" ? other.value : [])];
  if (!failed) return all;
  for (const connection of all) connection.terminate(abandoned());
  throw failed.reason;
}

/**
 * Who asks a bridge twice may come to different servers.
 * @param {Connection} first
 * @param {Connection} other
 */
function sameAs(first, other) {
  const [a, b] = [first, other].map(({ facts: { size, readOnly, exportName, features, tls } }) =>
    JSON.stringify([size, readOnly, exportName, Object.entries(features).sort(), tls?.peer.pin]));
  if (a === b) return other;
  other.terminate(abandoned());
  throw new NbdError("IDENTITY", `Two connections to export "${first.facts.exportName}" found different disks or servers. See that the bridge's target leads to one server, or open it with connections: 1.`, { export: first.facts.exportName }, { stage: "negotiation" });
}

/** @param {any} error @returns {NbdError | undefined} it, if it tells that acknowledged writes were lost */
export function lossOf(error) {
  return error?.code === "UNFLUSHED" ? error : undefined;
}

/** What a call that nobody waits for any more ends with. */
export function abandoned() {
  return new NbdError("CLOSED", "The connection was ended.");
}
