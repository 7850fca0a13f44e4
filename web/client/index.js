/**
 * Disks of NBD servers, read and written from a browser. A connection runs in
 * a Worker of its own; TLS is between that Worker and the NBD server.
 * @module
 */
import { abandoned, connect } from "./connection.js";
import { Disk } from "./disk.js";
import { NbdError } from "./errors.js";
import { Events, diskEvents } from "./events.js";
import { explained } from "./localnetwork.js";
import { infoRequest, listRequest, openRequest } from "./options.js";
import { Pulse } from "./pulse.js";
import { Rpc } from "./rpc.js";
import { unlessAborted } from "./signals.js";
import { start } from "./wasm.js";

export { Disk, NbdError };
export { codes, stages } from "./errors.js";

/** @typedef {import("./options.js").OpenOptions} OpenOptions */
/** @typedef {import("./options.js").ListOptions} ListOptions */
/** @typedef {import("./options.js").InfoOptions} InfoOptions */
/** @typedef {import("./device.js").StreamOptions} StreamOptions */
/** @typedef {import("./options.js").TlsOptions} TlsOptions */
/** @typedef {import("./errors.js").NbdErrorCode} NbdErrorCode */
/** @typedef {import("./errors.js").NbdStage} NbdStage */
/** @typedef {import("./facts.js").DiskFacts} DiskFacts */
/** @typedef {import("./facts.js").TlsFacts} TlsFacts */
/** @typedef {import("./device.js").BlockDevice} BlockDevice */
/** @typedef {import("./events.js").DiskEvents} DiskEvents */
/** @typedef {import("./ranges.js").Extent} Extent */
/** @typedef {import("./stats.js").Stats} Stats */
/** @typedef {import("./many.js").Progress} Progress */
/** @typedef {{name: string, description: string}} ExportEntry */

/**
 * Opens an export of the NBD server that a bridge calls by the last part of
 * the URL.
 *
 *     const disk = await open("wss://bridge.example/nbd/lab7", { export: "vda", tls: { ca, serverName: "nbd7.lab" } });
 *     const sector = await disk.read(0, 512);
 *
 * @param {string | URL} url of the bridge: ws: or wss:
 * @param {OpenOptions} [options]
 * @returns {Promise<Disk>} rejects with an NbdError, or with the signal's reason
 */
export async function open(url, options) {
  const parts = openRequest(url, options);
  parts.signal?.throwIfAborted();
  /** @type {Events<DiskEvents>} */ const events = new Events(diskEvents);
  const pulse = new Pulse(events);
  try {
    return new Disk(await connect(parts, pulse), parts.request.url, pulse, events);
  } catch (error) {
    pulse.end();
    throw await explained(error);
  }
}

/**
 * Asks an NBD server for its exports. Some servers refuse to tell.
 * @param {string | URL} url as for open
 * @param {ListOptions} [options]
 * @returns {Promise<ExportEntry[]>} rejects with an NbdError, or with the signal's reason
 */
export async function list(url, options) {
  return ask("list", listRequest(url, options));
}

/**
 * Asks an NBD server about an export without opening it. The size is a hint:
 * some servers say 0 before they open it.
 * @param {string | URL} url as for open
 * @param {InfoOptions} [options]
 * @returns {Promise<DiskFacts>} rejects with an NbdError, or with the signal's reason
 */
export async function info(url, options) {
  return ask("info", infoRequest(url, options));
}

/**
 * @param {string} method
 * @param {ReturnType<typeof listRequest>} parts
 */
async function ask(method, { request, token, signal, wasm, worker }) {
  signal?.throwIfAborted();
  const rpc = new Rpc(worker);
  try {
    await start(rpc, wasm, signal);
    if (token) request.token = await unlessAborted(token(), signal);
    return await rpc.call(method, [request], { signal });
  } catch (error) {
    throw await explained(error);
  } finally {
    rpc.terminate(abandoned());
  }
}
