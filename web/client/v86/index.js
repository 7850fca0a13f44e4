/**
 * Disks for V86, the PC emulator.
 * @module
 */
import { checkDevice } from "../checks.js";
import { NbdError, invalid } from "../errors.js";
import { withCache } from "../layers/cache.js";
import { memoryStore } from "../layers/memorystore.js";
import { withOverlay } from "../layers/overlay.js";
import { readOnlyView } from "../layers/readonly.js";
import { check, isFunction } from "../options.js";
import { V86Disk } from "./disk.js";

export { V86Disk } from "./disk.js";
export { saveState, setCdrom } from "./emulator.js";

/** @typedef {import("../device.js").BlockDevice} BlockDevice */
/** @typedef {import("./events.js").V86DiskEvents} V86DiskEvents */

/**
 * @typedef {object} V86DiskOptions
 * @property {import("./writes.js").WritePolicy} [writes] what becomes of the
 *   guest's writes. "overlay" (the default): the device is never written. "through":
 *   a write is done when the device has it, durable where the export offers that.
 *   "back": a write is done at once, and reaches the device within seconds; up
 *   to 8 MiB may be lost if the page ends
 * @property {import("../layers/overlay.js").OverlayStore} [store] where the
 *   overlay keeps its blocks; default: in memory. What it holds already counts
 * @property {import("../layers/cache.js").CacheOptions | false} [cache] options
 *   of the cache over the device; false: none, for a device that has one
 * @property {number} [stallAfter] milliseconds that the guest may wait for an
 *   answer before the emulator is stopped until it has come; default 5000
 * @property {() => import("./emulator.js").Emulator | undefined} [pause] gives
 *   the emulator to stop; attach() does the same
 */

/** V86 counts sectors of 512 bytes in 32 bits with a sign. */
const largest = 2 ** 40;

const anything = () => true; // checked below
const rules = { writes: anything, store: anything, cache: anything, stallAfter: anything, pause: anything };

/**
 * A device as a disk of V86. It owns the device: closing it closes both.
 * @param {BlockDevice} device of a multiple of 512 bytes, at most 1 TiB
 * @param {V86DiskOptions} [options]
 * @returns {V86Disk} it throws INVALID_ARGUMENT, and READ_ONLY for "through"
 *   and "back" over a device that can't be written
 */
export function v86Disk(device, options = {}) {
  checkSize(checkDevice(device).size);
  const { writes = "overlay", store, cache = {}, stallAfter = 5000, pause } = checkOptions(options);
  const common = { writes, stallAfter, pause, identity: device.identity };
  if (writes !== "overlay") {
    if (device.readOnly) throw new NbdError("READ_ONLY", `The device can't be written, as writes: "${writes}" wants it. Open its disk with readOnly: false, or use writes: "overlay".`);
    return new V86Disk({ ...common, device: cached(device, cache) });
  }
  const overlay = withOverlay(cached(readOnlyView(device), cache), store ?? memoryStore());
  return new V86Disk({ ...common, device: overlay, overlay });
}

/** @param {BlockDevice} device @param {import("../layers/cache.js").CacheOptions | false} options */
function cached(device, options) {
  return options === false ? device : withCache(device, options);
}

/** @param {number} size */
function checkSize(size) {
  if (size === 0 || size % 512 !== 0) throw invalid(`The device has ${size} bytes, and V86 wants a multiple of 512: use a region() of it.`);
  if (size > largest) throw invalid(`The device has ${size} bytes, and V86 knows disks of 1 TiB at most: use a region() of it.`);
}

/** @param {unknown} options @returns {V86DiskOptions} */
function checkOptions(options) {
  const given = check(options, rules);
  const { writes, store, stallAfter, pause } = given;
  if (![undefined, "overlay", "through", "back"].includes(writes)) throw invalid(`Option writes is ${String(writes)}: want "overlay", "through" or "back".`);
  if (store && writes && writes !== "overlay") throw invalid(`Option store is for writes: "overlay" only, not for "${writes}": drop one of them.`);
  if (stallAfter !== undefined && !(Number.isFinite(stallAfter) && stallAfter > 0 && stallAfter < 2 ** 31)) throw invalid(`Option stallAfter is ${String(stallAfter)}: want milliseconds, more than 0.`);
  if (pause !== undefined && !isFunction(pause)) throw invalid("Option pause must be a function that gives the emulator.");
  return given;
}
