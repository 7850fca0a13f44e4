// The file of an Emscripten program, in the FS of a real one: 7-Zip, whose C++
// Emscripten has compiled, and which reads disk images.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { before, test } from "node:test";
import { NbdError } from "../../client/errors.js";
import { mountEmscripten } from "../../client/sync/index.js";
import { SparseDevice } from "./sparse-device.js";

const gib = 2 ** 30;
/** What a partition beyond 4 GiB holds. */
const content = Uint8Array.from({ length: 4096 }, (_, i) => i * 7 + (i >> 8));

/** A partition table with one partition, of whole sectors. @param {number} offset @param {number} length */
function partitionTable(offset, length) {
  const sector = new DataView(new ArrayBuffer(512));
  for (const chs of [1, 5]) sector.setUint32(446 + chs, 0xfeffff83); // beyond what cylinders and heads can tell; and Linux's type
  sector.setUint32(446 + 8, offset / 512, true);
  sector.setUint32(446 + 12, length / 512, true);
  sector.setUint16(510, 0x55aa);
  return new Uint8Array(sector.buffer);
}

/** @type {any} */ let program;
/** @type {string[]} */ const printed = [];

before(async () => {
  const make = createRequire(import.meta.url)("7z-wasm");
  const print = (/** @type {string} */ line) => printed.push(line);
  program = await make({ print, printErr: print });
});

let files = 0;
/** @param {SparseDevice} sync @returns {{FS: any, path: string}} */
function mounted(sync) {
  const path = `/disk${files++}.img`;
  mountEmscripten(program.FS, sync, path);
  return { FS: program.FS, path };
}

/** @param {() => unknown} work @param {number} errno that of Emscripten */
function fails(work, errno) {
  assert.throws(work, (/** @type {any} */ error) => error.name === "ErrnoError" && error.errno === errno, String(work));
}

test("a program of C++ finds and reads a partition beyond 4 GiB", () => {
  const { FS, path } = mounted(new SparseDevice(6 * gib, { content: { 0: partitionTable(5 * gib, content.length), [5 * gib]: content } }));
  printed.length = 0;
  assert.equal(program.callMain(["l", "-slt", "-tmbr", path]), 0, printed.join("\n"));
  assert.match(printed.join("\n"), /Physical Size = 6442450944\n(.*\n)*Path = 0.img\nSize = 4096\nFile System = Linux\nOffset = 5368709120\n/);
  FS.mkdir("/out");
  assert.equal(program.callMain(["x", "-o/out", "-tmbr", path, "0.img"]), 0, printed.join("\n"));
  assert.deepEqual(FS.readFile("/out/0.img"), content);
});

test("a file has the size, the permissions and the bytes of its device", () => {
  const sync = new SparseDevice(6 * gib, { content: { [5 * gib]: content } });
  const { FS, path } = mounted(sync);
  const { size, mode } = FS.stat(path);
  assert.deepEqual([size, FS.isFile(mode), mode & 0o777], [6 * gib, true, 0o644]);
  const stream = FS.open(path, "r+");
  const into = new Uint8Array(20).fill(9);
  assert.equal(FS.llseek(stream, 5 * gib, 0), 5 * gib);
  assert.equal(FS.read(stream, into.subarray(2), 3, 10), 10);
  assert.deepEqual([...into.slice(0, 5), ...into.slice(5, 15), ...into.slice(15)], [9, 9, 9, 9, 9, ...content.slice(0, 10), 9, 9, 9, 9, 9]);
  assert.equal(FS.llseek(stream, 2, 1), 5 * gib + 12);
  assert.equal(FS.llseek(stream, -3, 2), 6 * gib - 3);
  assert.equal(FS.read(stream, into, 0, 10), 3, "the end of the device");
  assert.equal(FS.read(stream, into, 0, 10), 0);
  fails(() => FS.llseek(stream, -1, 0), 28);
  FS.close(stream);
});

test("what is written, and synced, comes to the device", () => {
  const sync = new SparseDevice(6 * gib);
  const { FS, path } = mounted(sync);
  const stream = FS.open(path, "r+");
  assert.equal(FS.write(stream, new Int8Array([0, -1, 2, 3]), 1, 3, 5 * gib), 3);
  assert.equal(FS.write(stream, content, 0, 100, 6 * gib - 10), 10, "as much as there is room for");
  fails(() => FS.write(stream, content, 0, 1, 6 * gib), 51);
  assert.equal(FS.write(stream, content, 0, 0, 7 * gib), 0);
  assert.equal(stream.stream_ops.fsync(stream), 0);
  assert.equal(sync.flushes, 1);
  const into = new Uint8Array(3);
  sync.readSync(into, 5 * gib);
  assert.deepEqual(into, Uint8Array.of(255, 2, 3));
  FS.close(stream);
  FS.close(FS.open(path, "w"));
  FS.truncate(path, 6 * gib);
  assert.equal(FS.stat(path).size, 6 * gib);
  fails(() => FS.truncate(path, 100), 28);
  fails(() => FS.chmod(path, 0o777), 63);
});

test("a read-only device is a file that can't be written", () => {
  const { FS, path } = mounted(new SparseDevice(gib, { readOnly: true }));
  assert.equal(FS.stat(path).mode & 0o777, 0o444);
  fails(() => FS.open(path, "r+"), 2);
  FS.ignorePermissions = true;
  const free = FS.nextfd();
  fails(() => FS.open(path, "r+"), 69);
  assert.equal(FS.nextfd(), free, "nothing is left open");
  FS.ignorePermissions = false;
  const stream = FS.open(path, "r");
  assert.equal(FS.read(stream, new Uint8Array(5), 0, 5), 5);
  fails(() => FS.mmap(stream, 4096, 0, 1, 2), 43);
});

test("a failure of the device is an errno of Emscripten's", () => {
  const sync = new SparseDevice(gib);
  const { FS, path } = mounted(sync);
  const stream = FS.open(path, "r+");
  /** @type {[unknown, number][]} */
  const table = [
    [new NbdError("EIO", "x"), 29], [new NbdError("DISCONNECTED", "x"), 29], [new NbdError("TIMEOUT", "x"), 73], [new NbdError("ENOSPC", "x"), 51], [new NbdError("CLOSED", "x"), 8], [new TypeError("x"), 29],
    [new NbdError("EPERM", "x"), 63], [new NbdError("ENOMEM", "x"), 48], [new NbdError("EINVAL", "x"), 28], [new NbdError("EOVERFLOW", "x"), 61], [new NbdError("ENOTSUP", "x"), 138], [new NbdError("ESHUTDOWN", "x"), 140], [new NbdError("READ_ONLY", "x"), 69],
  ];
  for (const [failure, errno] of table) {
    sync.failure = failure;
    fails(() => FS.read(stream, new Uint8Array(1), 0, 1, 0), errno);
    fails(() => FS.write(stream, new Uint8Array(1), 0, 1, 0), errno);
    fails(() => stream.stream_ops.fsync(stream), errno);
  }
});

test("what is no FS is refused", () => {
  for (const wrong of [undefined, {}]) assert.throws(() => mountEmscripten(wrong, new SparseDevice(1), "/x"), { code: "INVALID_ARGUMENT", message: /EXPORTED_RUNTIME_METHODS/ });
});
