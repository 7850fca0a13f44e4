import { NbdError } from "../../client/errors.js";
import { openPersistentCache } from "../../client/layers/persistentcache.js";
import { FakeDisk } from "./fake-folder.js";

/** @typedef {import("../../client/layers/persistentcache.js").PersistentCacheOptions} PersistentCacheOptions */
/** @typedef {import("../../client/storage/cachefolders.js").CacheFolders} CacheFolders */

/**
 * A browser's place for one persistent cache, on a machine in memory.
 * @implements {CacheFolders}
 */
export class FakeCaches {
  /** @type {Set<string>} */ names = new Set();
  /** @type {Set<string>} */ spoilt = new Set();
  /** Nobody can spoil anything. */ stuck = false;
  left = Infinity;
  /** @type {object | undefined} */ #owner;

  /** @param {import("./random.js").Random} random */
  constructor(random) { this.disk = new FakeDisk(random); }

  /** @param {string} name */
  async open(name) {
    this.names.add(name);
    if (this.#owner) throw new NbdError("IN_USE", "It is open elsewhere.");
    const folder = this.disk.folder();
    this.#owner = folder;
    const close = async () => {
      await folder.close();
      if (this.#owner === folder) this.#owner = undefined;
    };
    return { ...folder, close };
  }

  get owned() { return this.#owner !== undefined; }

  /** The page ends, or with it the machine. @param {boolean} [machine] */
  kill(machine = false) {
    if (machine) this.disk.crash();
    else this.disk.kill();
    this.#owner = undefined;
  }

  /** @param {string} name */
  async spoil(name) {
    if (this.stuck) throw new NbdError("EIO", "stuck");
    this.spoilt.add(name);
  }

  /** @param {string} name */
  async isSpoilt(name) { return this.spoilt.has(name); }
  /** @param {string} name */
  async unspoil(name) { this.spoilt.delete(name); }
  async room() { return this.left; }

  /**
   * Lines of 512 bytes, of which four are in memory.
   * @param {import("../../client/device.js").BlockDevice} device
   * @param {PersistentCacheOptions} [options]
   */
  cached(device, options) {
    return openPersistentCache(device, { key: "disk", lineSize: 512, ...options }, this, 0);
  }
}
