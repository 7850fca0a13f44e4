// A disk and the place for its cache, over the loads of a page.
import { FakeCaches } from "./fake-caches.js";
import { MemoryDisk, settled } from "./memory-disk.js";
import { Random } from "./random.js";

/** @typedef {import("../../client/layers/persistentcache.js").PersistentCacheOptions} PersistentCacheOptions */

/** Of the disk, in bytes. */
export const size = 20_000; // 40 lines of 512 bytes, the last one short

/** A disk, and the place for its cache. */
export class Bench {
  caches = new FakeCaches(new Random(1));
  disk = new MemoryDisk(size);

  /** A page that is loaded: a new connection to the same disk. @param {PersistentCacheOptions} [options] @param {{readOnly?: boolean}} [how] */
  async load(options, how) {
    const { bytes } = this.disk;
    this.disk = new MemoryDisk(size, how);
    this.disk.bytes = bytes;
    return this.caches.cached(this.disk.device, options);
  }

  /** Lines are put into the file when they have been read. */
  async calm() {
    for (let before = -1, calm = 0; calm < 50; await settled()) {
      calm = before === this.caches.disk.calls ? calm + 1 : 0;
      before = this.caches.disk.calls;
    }
  }

  /** Bytes that were read of the disk since the last call. */
  get read() {
    return this.disk.asked().filter((op) => op.startsWith("read")).reduce((sum, op) => sum + Number(op.split("+")[1]), 0);
  }
}
