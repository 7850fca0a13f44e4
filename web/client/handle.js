/**
 * A device in another thread than the one that holds it: a handle is a
 * MessagePort, which postMessage transfers to a page, a Worker or a
 * Service Worker of the same origin.
 *
 *     worker.postMessage(handle, [handle]); // where the device is: handle = handleOf(device)
 *     const device = await deviceOf(data); // in the Worker
 * @module
 */
import { checkDevice } from "./checks.js";
import { Device } from "./device.js";
import { invalid } from "./errors.js";
import { Asking } from "./handle/asking.js";
import { Serving } from "./handle/serving.js";

/** @typedef {import("./device.js").BlockDevice} BlockDevice */
/** @typedef {import("./device.js").Driver} Driver */

/**
 * Serves a device to another thread, for as long as the device is open and
 * this thread lives. Make one handle for each that is to use it. At most 64
 * operations of a handle are under way, and none begins while those under way
 * move 64 MiB; the others wait in their order.
 * @param {BlockDevice} device
 * @returns {MessagePort} for one deviceOf or openSync; transfer it
 */
export function handleOf(device) {
  const { port1, port2 } = new MessageChannel();
  new Serving(checkDevice(device), port1);
  return port2;
}

/**
 * The device behind a handle. close() ends the handle, and not the device: that
 * is for who holds it. It ends with the device, with the same reason; with
 * WORKER when the thread that holds it has died, which some browsers only
 * notice after a minute in which it did not answer.
 * @param {MessagePort} port what handleOf gave; nothing else may use it
 * @returns {Promise<Device>} rejects with WORKER where nobody answers
 */
export async function deviceOf(port) {
  if (typeof port?.postMessage !== "function" || typeof port.start !== "function") throw invalid("deviceOf takes what handleOf gave, transferred to this thread.");
  const asking = new Asking(port);
  const { readOnly, ...facts } = await asking.facts;
  return new Device({ ...facts, ...reading(asking), ...(readOnly ? {} : changing(asking)) });
}

/**
 * @param {Asking} asking
 * @returns {Pick<Driver, "read" | "readMany" | "flush" | "blockStatus" | "close" | "closed">}
 */
function reading(asking) {
  return {
    closed: asking.closed,
    read: (offset, length, { signal }) => asking.call("read", [offset, length, {}], { signal }),
    readMany: (ranges, { signal }) => asking.call("readMany", [ranges, {}], { signal }),
    flush: ({ signal }) => asking.call("flush", [{}], { signal }),
    blockStatus: (offset, length, { signal }) => asking.call("blockStatus", [offset, length, {}], { signal }),
    close: async () => asking.close(),
  };
}

/** @param {Asking} asking @returns {Pick<Driver, "write" | "trim" | "zero">} */
function changing(asking) {
  return {
    write(offset, bytes, { signal, fua }) {
      const alone = bytes.byteLength === bytes.buffer.byteLength ? bytes : bytes.slice();
      return asking.call("write", [offset, alone, { fua, transfer: true }], { signal, transfer: [alone.buffer] });
    },
    trim: (offset, length, { signal }) => asking.call("trim", [offset, length, {}], { signal }),
    zero: (offset, length, { signal, unmap }) => asking.call("zero", [offset, length, { unmap }], { signal }),
  };
}
