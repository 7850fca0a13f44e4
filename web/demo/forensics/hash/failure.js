// Why there is no hash, and where that is.
import { Device } from "../../../client/device.js";

/** @typedef {import("../../inspect/inspector.js").BlockDevice} BlockDevice */

/** The smallest piece that is looked at by itself, in bytes. */
const sector = 512;

/**
 * The same device, which remembers where it could not be read.
 * @param {BlockDevice} device
 * @returns {{device: Device, failed: () => {offset: number, length: number} | undefined}} failed: the first such read
 */
export function watched(device) {
  const { size, blockSize, identity, closed } = device;
  /** @type {{offset: number, length: number} | undefined} */ let first;
  const read = (/** @type {number} */ offset, /** @type {number} */ length, /** @type {{signal?: AbortSignal}} */ { signal }) =>
    device.read(offset, length, { signal }).catch((error) => {
      if (error?.code === "EIO" && !(first && first.offset <= offset)) first = { offset, length };
      throw error;
    });
  return {
    device: new Device({ size, blockSize: { ...blockSize }, identity, closed, read, blockStatus: (offset, length, { signal }) => device.blockStatus(offset, length, { signal }) }),
    failed: () => first,
  };
}

/**
 * Finds the first sector of a range that can't be read, by reading halves.
 * @param {BlockDevice} device
 * @param {{offset: number, length: number}} range
 * @param {AbortSignal} signal
 * @returns {Promise<number>} where it begins, or as near as could be found
 */
export async function firstBad(device, { offset, length }, signal) {
  while (length > sector) {
    const half = Math.ceil(length / 2 / sector) * sector;
    const inFirst = await device.read(offset, half, { signal }).then(() => false, () => true);
    signal.throwIfAborted();
    if (inFirst) length = half;
    else [offset, length] = [offset + half, length - half];
  }
  return offset;
}

/**
 * @param {any} error
 * @param {import("./run.js").Subject} subject
 * @param {number} at of the first bad sector, in what was hashed
 */
export function unreadable(error, { isFile, name, offset }, at) {
  const where = isFile ? `byte ${at} of ${name}` : `byte ${offset + at} of the disk`;
  return new Error(`The sector at ${where} can’t be read; there may be more behind it. A hash is of every byte, so there is none of this. ` +
    `Acquire goes around such places, and records each. The read said: ${error.message}`, { cause: error });
}
