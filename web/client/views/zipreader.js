import { checkDevice } from "../checks.js";
import { readableOf } from "./readable.js";
import { within } from "./within.js";

/** @typedef {import("../device.js").BlockDevice} BlockDevice */

/**
 * A device as a Reader of zip.js, for its ZipReader. A zip file is read from
 * its end: of a disk that is longer than the file, give the region.
 * @param {BlockDevice} device
 * @returns {ZipReader} it does not close the device
 */
export function asZipReader(device) {
  return new ZipReader(checkDevice(device));
}

/** What zip.js reads from. What is asked for beyond the end is left out, as its contract says. */
export class ZipReader {
  #device;

  /** @param {BlockDevice} device */
  constructor(device) {
    this.#device = device;
  }

  /** In bytes. */
  get size() { return this.#device.size; }
  get readable() { return this.createReadable(); }

  /**
   * @param {{offset?: number, size?: number, chunkSize?: number}} [options] in bytes
   * @returns {ReadableStream<Uint8Array<ArrayBuffer>>}
   */
  createReadable({ offset = 0, size = Infinity, chunkSize } = {}) {
    return readableOf(this.#device, { ...within(offset, size, this.size), chunkSize });
  }

  /**
   * @param {number} index
   * @param {number} length in bytes
   * @returns {Promise<Uint8Array<ArrayBuffer>>}
   */
  async readUint8Array(index, length) {
    const range = within(index, length, this.size);
    return this.#device.read(range.offset, range.length);
  }
}
