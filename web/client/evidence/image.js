import { checkDevice } from "../checks.js";
import { Device } from "../device.js";
import { check } from "../options.js";
import { readOnlyView } from "../layers/readonly.js";
import { mapBounded } from "../signals.js";
import { Calls } from "./calls.js";
import { checkFormat, fileRules } from "./choices.js";

/** Bytes of one read at most, and how many are under way. */
const piece = 1 << 20;
const readsAtOnce = 4;

/**
 * The disk in an image, for instance for a pass over it. Of zstd, frames are
 * checked as they are read: a damaged one rejects with DAMAGED.
 * @param {import("./types.js").Format} format
 * @param {import("../device.js").BlockDevice} device the file of the image
 * @param {import("./calls.js").Files & {signal?: AbortSignal}} [options]
 * @returns {Promise<import("../device.js").BlockDevice>} read-only; close() closes
 *   the file's device too
 */
export async function imageOf(format, device, options = {}) {
  const { wasm, worker, signal } = check(options, fileRules);
  checkDevice(device);
  checkFormat(format);
  if (format === "raw") return readOnlyView(device);
  signal?.throwIfAborted();
  const calls = new Calls("reads an image", worker);
  try {
    await calls.start(wasm, signal);
    await calls.attach(device, signal);
    return over(device, calls, await calls.call("openImage", [format], { signal }));
  } catch (error) {
    calls.end();
    throw error;
  }
}

/**
 * @param {import("../device.js").BlockDevice} device
 * @param {Calls} calls
 * @param {number} size of the disk
 */
function over(device, calls, size) {
  return new Device({
    size,
    blockSize: { minimum: 1, preferred: piece, maximumPayload: 32 << 20 },
    title: "image",
    closed: device.closed,
    read: (offset, length, { signal }) => read(calls, offset, length, signal),
    close: async () => {
      await calls.end();
      await device.close();
    },
  });
}

/**
 * @param {Calls} calls
 * @param {number} offset
 * @param {number} length
 * @param {AbortSignal} [signal]
 */
async function read(calls, offset, length, signal) {
  if (length <= piece) return calls.call("readImage", [offset, length], { signal });
  const bytes = new Uint8Array(length);
  const starts = Array.from({ length: Math.ceil(length / piece) }, (_, i) => i * piece);
  await mapBounded(starts, readsAtOnce, signal, async (at, scope) => {
    bytes.set(await calls.call("readImage", [offset + at, Math.min(piece, length - at)], { signal: scope }), at);
  });
  return bytes;
}
