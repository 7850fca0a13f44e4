// Counts what is read and written, under the cache and above it.
import { Device } from "../../client/device.js";

/** Reads of the server that are remembered, to tell what came from the cache. */
const remembered = 64;

/** @typedef {import("../../client/index.js").BlockDevice} BlockDevice */
/** @typedef {import("../../client/device.js").Driver} Driver */
/** @typedef {import("../../client/layers/index.js").OverlayStore} OverlayStore */
/** @typedef {import("./blockmap.js").BlockMap} BlockMap */

/** Numbers of one machine since its disk was opened, which also go on a map. */
export class Counts {
  /** Reads of the server. */ trips = 0;
  /** Reads of the guest's that its overlay did not answer. */ reads = 0;
  /** Those for which the server was not read. */ hits = 0;
  /** Bytes that the guest has written. */ written = 0;
  #map;
  #turn = 0;
  /** The last reads of the server, and those under way. @type {{from: number, to: number, ended: number}[]} */ #recent = [];

  /** @param {BlockMap} map */
  constructor(map) {
    this.#map = map;
  }

  /** A read of the server begins. @param {number} offset @param {number} length @returns {() => void} when it has fulfilled */
  trip(offset, length) {
    this.trips++;
    const read = { from: offset, to: offset + length, ended: Infinity };
    this.#recent.push(read);
    if (this.#recent.length > remembered) this.#recent.shift();
    return () => {
      read.ended = ++this.#turn;
      this.#map.mark("read", offset, length);
    };
  }

  /** A read of the guest's begins. @param {number} offset @param {number} length @returns {() => void} when it has fulfilled */
  read(offset, length) {
    const began = this.#turn;
    return () => {
      this.reads++;
      if (this.#recent.some(({ from, to, ended }) => ended > began && from < offset + length && offset < to)) return;
      this.hits++;
      this.#map.mark("hit", offset, length);
    };
  }

  /** @param {number} offset @param {number} length */
  write(offset, length) {
    this.written += length;
    this.#map.mark("written", offset, length);
  }
}

/**
 * What hands everything to a device.
 * @param {BlockDevice} device
 * @returns {Driver}
 */
export function passing(device) {
  const { size, blockSize, identity, closed } = device;
  return {
    size, blockSize, identity, closed,
    read: (offset, length, options) => device.read(offset, length, options),
    blockStatus: (offset, length, options) => device.blockStatus(offset, length, options),
    close: () => device.close(),
  };
}

/** @param {BlockDevice} device @returns {Driver} */
function writing(device) {
  if (device.readOnly) return passing(device);
  return {
    ...passing(device),
    write: (offset, bytes, options) => device.write(offset, bytes, { ...options, transfer: true }),
    flush: (options) => device.flush(options),
    trim: (offset, length, options) => device.trim(offset, length, options),
    zero: (offset, length, options) => device.zero(offset, length, options),
  };
}

/**
 * Counts under the cache what goes to the server.
 * @param {BlockDevice} device
 * @param {Counts} counts
 */
export function countTrips(device, counts) {
  return new Device({
    ...writing(device),
    async read(offset, length, options) {
      const done = counts.trip(offset, length);
      const bytes = await device.read(offset, length, options);
      done();
      return bytes;
    },
  });
}

/**
 * Counts above the cache what the guest asks for.
 * @param {BlockDevice} device
 * @param {Counts} counts
 */
export function countReads(device, counts) {
  const driver = writing(device);
  return new Device({
    ...driver,
    async read(offset, length, options) {
      const done = counts.read(offset, length);
      const bytes = await device.read(offset, length, options);
      done();
      return bytes;
    },
    ...(driver.write && {
      write: (offset, bytes, options) => {
        counts.write(offset, bytes.length);
        return device.write(offset, bytes, { ...options, transfer: true });
      },
    }),
  });
}

/**
 * Counts what goes into an overlay.
 * @param {OverlayStore} store
 * @param {Counts} counts
 * @param {() => Promise<void>} changing awaited before each change
 * @returns {OverlayStore} closing it closes the store
 */
export function countStore(store, counts, changing) {
  const { blockSize, size, identity } = store;
  return {
    blockSize, size, identity,
    extents: (offset, length) => store.extents(offset, length),
    read: (offset, length) => store.read(offset, length),
    async write(offset, bytes) {
      const count = bytes.length;
      await changing();
      await store.write(offset, bytes);
      counts.write(offset, count);
    },
    async zero(offset, length) {
      await changing();
      await store.zero(offset, length);
      counts.write(offset, length);
    },
    flush: () => store.flush(),
    clear: () => changing().then(() => store.clear()),
    replace: (task) => changing().then(() => store.replace(task)),
    close: () => store.close(),
  };
}
