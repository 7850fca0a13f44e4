import { checkDevice, checkRange } from "../checks.js";
import { Device } from "../device.js";
import { check } from "../options.js";

/** @typedef {import("../device.js").BlockDevice} BlockDevice */
/** @typedef {import("../device.js").Driver} Driver */

const anything = () => true; // checkRange checks it

/**
 * A part of a device, such as a partition, as a device of its own that begins
 * at 0. Nothing outside of it can be reached.
 * @param {BlockDevice} device
 * @param {import("../device.js").Range} range in bytes; it may begin anywhere
 * @returns {Device} read-only if the device is
 */
export function region(device, range) {
  checkDevice(device);
  const given = check(range, { offset: anything, length: anything });
  const [start, size] = checkRange(given.offset, given.length, device.size);
  return new Device(through(device, start, size));
}

/**
 * Hands everything to a device, moved by start bytes.
 * @param {BlockDevice} device
 * @param {number} start
 * @param {number} size
 * @returns {Driver}
 */
export function through(device, start, size) {
  return {
    size,
    blockSize: device.blockSize,
    identity: identityOf(device, start, size),
    closed: device.closed,
    read: (offset, length, options) => device.read(start + offset, length, options),
    readMany: (ranges, options) => device.readMany(ranges.map((r) => ({ ...r, offset: start + r.offset })), options),
    async blockStatus(offset, length, options) {
      const extents = await device.blockStatus(start + offset, length, options);
      return extents.map((e) => ({ ...e, offset: e.offset - start }));
    },
    close: () => device.close(),
    ...(device.readOnly ? {} : changing(device, start)),
  };
}

/** @param {BlockDevice} device @param {number} start @param {number} size */
function identityOf({ identity, size: whole }, start, size) {
  return identity && size !== whole ? `${identity} ${start}+${size}` : identity;
}

/**
 * @param {BlockDevice} device
 * @param {number} start
 * @returns {Partial<Driver>}
 */
function changing(device, start) {
  return {
    write: (offset, bytes, options) => device.write(start + offset, bytes, { ...options, transfer: true }),
    flush: (options) => device.flush(options),
    trim: (offset, length, options) => device.trim(start + offset, length, options),
    zero: (offset, length, options) => device.zero(start + offset, length, options),
  };
}
