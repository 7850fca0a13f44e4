import { invalid } from "../errors.js";
import { emscriptenErrno, emscriptenErrnoOf } from "./errno.js";

/** @typedef {import("./device.js").SyncDevice} SyncDevice */
/** @typedef {{node: any, position: number}} Stream of Emscripten's */

/** Kind and permissions of a node: a regular file, since what C asks of a block device for its size needs an ioctl. */
const writableMode = 0o100644, readOnlyMode = 0o100444;
/** Bytes of a block of stat. */
const statBlock = 4096;
const openForReading = 0, accessMode = 3;

/**
 * Makes a device a file of a program that Emscripten has compiled. The file has
 * the size of the device for ever: what would change it fails with EINVAL, but
 * to truncate it to nothing, which open does with O_TRUNC, does nothing. It can't
 * be mapped into memory. fsync makes durable what was written.
 * @param {any} FS the module's, from EXPORTED_RUNTIME_METHODS
 * @param {SyncDevice} sync
 * @param {string} path of the file, such as "/disk.img"; its folder must exist
 */
export function mountEmscripten(FS, sync, path) {
  if (typeof FS?.mknod !== "function") throw invalid('mountEmscripten takes the FS of an Emscripten module: build it with -sEXPORTED_RUNTIME_METHODS=FS and -sFORCE_FILESYSTEM.');
  const node = FS.mknod(path, sync.readOnly ? readOnlyMode : writableMode, 0);
  const guarded = (/** @type {Record<string, (...args: any[]) => any>} */ operations) => guard(FS, operations);
  node.node_ops = guarded(nodeOperations(FS, sync));
  node.stream_ops = guarded({ ...reading(FS, sync), ...changing(FS, sync) });
}

/**
 * Has operations fail as Emscripten's do.
 * @param {any} FS
 * @param {Record<string, (...args: any[]) => any>} operations
 */
function guard(FS, operations) {
  const fail = (/** @type {any} */ error) => {
    throw error instanceof FS.ErrnoError ? error : new FS.ErrnoError(emscriptenErrnoOf(error));
  };
  return Object.fromEntries(Object.entries(operations).map(([name, operation]) => [name, (/** @type {any[]} */ ...args) => {
    try {
      return operation(...args);
    } catch (error) {
      return fail(error);
    }
  }]));
}

/** @param {any} FS @param {SyncDevice} sync */
function nodeOperations(FS, { size }) {
  const time = new Date();
  return {
    getattr: (/** @type {any} */ node) => ({
      dev: 1, ino: node.id, mode: node.mode, nlink: 1, uid: 0, gid: 0, rdev: 0, size,
      atime: time, mtime: time, ctime: time, blksize: statBlock, blocks: Math.ceil(size / statBlock),
    }),
    setattr(/** @type {any} */ _, /** @type {{size?: number}} */ changed) {
      if (changed.size === undefined) throw errno(FS, "EPERM");
      if (changed.size !== 0 && changed.size !== size) throw errno(FS, "EINVAL");
    },
  };
}

/** @param {any} FS @param {SyncDevice} sync */
function reading(FS, sync) {
  return {
    open(/** @type {{flags: number, fd: number}} */ { flags, fd }) {
      if (!sync.readOnly || (flags & accessMode) === openForReading) return;
      FS.closeStream?.(fd); // FS.open leaves it to us, and there are 4096 of them
      throw errno(FS, "EROFS");
    },
    read: (/** @type {Stream} */ _, /** @type {Uint8Array} */ memory, /** @type {number} */ start, /** @type {number} */ length, /** @type {number} */ position) =>
      sync.readSync(bytesAt(memory, start, length), position),
    llseek(/** @type {Stream} */ stream, /** @type {number} */ offset, /** @type {number} */ whence) {
      const position = offset + [0, stream.position, sync.size][whence];
      if (!(position >= 0)) throw errno(FS, "EINVAL");
      return position;
    },
    mmap() {
      throw errno(FS, "ENODEV");
    },
  };
}

/** @param {any} FS @param {SyncDevice} sync */
function changing(FS, sync) {
  return {
    write(/** @type {Stream} */ _, /** @type {Uint8Array} */ memory, /** @type {number} */ start, /** @type {number} */ length, /** @type {number} */ position) {
      const room = Math.max(sync.size - position, 0);
      if (length === 0) return 0; // wherever it is
      if (room === 0) throw errno(FS, "ENOSPC");
      return sync.writeSync(bytesAt(memory, start, Math.min(length, room)), position);
    },
    fsync() {
      sync.flushSync();
      return 0;
    },
  };
}

/** @param {any} FS @param {import("./errno.js").Errno} name */
const errno = (FS, name) => new FS.ErrnoError(emscriptenErrno(name));

/** A part of the program's memory, which comes as a view of any kind of bytes. @param {Uint8Array} memory @param {number} start @param {number} length */
const bytesAt = (memory, start, length) => new Uint8Array(memory.buffer, memory.byteOffset + start, length);
