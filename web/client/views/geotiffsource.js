import { checkDevice } from "../checks.js";
import { within } from "./within.js";

/** @typedef {import("../device.js").BlockDevice} BlockDevice */
/** @typedef {{offset: number, length: number}} Slice in bytes */

/**
 * A device as a source of geotiff.js, for GeoTIFF.fromSource.
 * @param {BlockDevice} device
 * @returns {GeotiffSource}
 */
export function asGeotiffSource(device) {
  return new GeotiffSource(checkDevice(device));
}

/** What geotiff.js reads from. Slices end where the device does. */
export class GeotiffSource {
  #device;

  /** @param {BlockDevice} device */
  constructor(device) {
    this.#device = device;
  }

  /** In bytes. @returns {number} */
  get fileSize() { return this.#device.size; }

  /**
   * @param {Slice[]} slices
   * @param {AbortSignal} [signal] an abort rejects with its reason
   * @returns {Promise<ArrayBuffer[]>}
   */
  async fetch(slices, signal) {
    const ranges = slices.map(({ offset, length }) => within(offset, length, this.fileSize));
    const parts = await this.#device.readMany(ranges, { signal: signal ?? undefined });
    return parts.map((part) => part.buffer);
  }

  /**
   * @param {Slice} slice
   * @param {AbortSignal} [signal]
   * @returns {Promise<Slice & {data: ArrayBuffer}>}
   */
  async fetchSlice(slice, signal) {
    const [data] = await this.fetch([slice], signal);
    return { offset: slice.offset, length: data.byteLength, data };
  }

  /** Closes the device. */
  close() {
    return this.#device.close();
  }
}
