/**
 * A device for code that can't await: emulators, and programs that Emscripten
 * has compiled. The Worker that runs them waits; the thread that holds the
 * device never does.
 *
 *     const sync = await openSync(handle); // in a Worker; handleOf(device) in the page
 *     sync.readSync(new Uint8Array(512), 0);
 * @module
 */
import { invalid } from "../errors.js";
import { check, isMilliseconds } from "../options.js";
import { SyncDevice } from "./device.js";
import { Requests } from "./requests.js";
import { Sharing } from "./sharing.js";

export { errnoOf } from "./errno.js";
export { mountEmscripten } from "./emscripten.js";
export { SyncDevice };

/** How long a call waits, in milliseconds: longer than a disk tries to connect again. */
const defaultTimeout = 150_000;

/**
 * Opens a device for calls that wait. To open it is the one thing that does not:
 * await it before the code that can't.
 * @param {MessagePort | {url: string | URL}} source what handleOf gave in the
 *   thread that holds the device, transferred to this one; or a URL that answers
 *   Range requests, for pages that are not cross-origin isolated: it is read-only
 * @param {object} [options]
 * @param {number} [options.timeout] milliseconds that a call waits for each
 *   answer, of at most 1 MiB; default 150 seconds
 * @returns {Promise<SyncDevice>} rejects with ENOTSUP where this thread can't
 *   wait or share memory, TIMEOUT where nobody answers
 */
export async function openSync(source, options = {}) {
  const { timeout = defaultTimeout } = check(options, { timeout: isMilliseconds });
  return new SyncDevice(await channelTo(source, timeout));
}

/** @param {any} v */
const isPort = (v) => typeof v?.postMessage === "function" && typeof v.start === "function";

/**
 * @param {any} source
 * @param {number} timeout
 * @returns {import("./device.js").Channel | Promise<import("./device.js").Channel>}
 */
function channelTo(source, timeout) {
  if (isPort(source)) return Sharing.open(source, timeout);
  const { url } = source ?? {};
  if (typeof url === "string" || url instanceof URL) return new Requests(url, timeout);
  throw invalid("openSync takes what handleOf gave, transferred to this thread, or {url}.");
}
