// Where images go: files of the browser, a file of the user's, streams.
import assert from "node:assert/strict";
import { test } from "node:test";
import { NbdError } from "../../client/errors.js";
import { fileSink, storedSink, streamSink } from "../../client/evidence/index.js";
import { bytes } from "./fake-worker.js";

/** A file in memory, of which tests fail a write. */
class MemoryFile {
  content = new Uint8Array(0);
  /** @type {string[]} */ log = [];
  /** @type {unknown} */ failure;

  /** @returns {import("../../client/storage/file.js").StoreFile} */
  get stored() {
    return {
      size: async () => this.content.length,
      read: async (offset, length) => this.content.slice(offset, offset + length),
      write: async (offset, given) => this.write(offset, given),
      truncate: async (size) => this.truncate(size),
      flush: async () => { this.log.push("flush"); },
      close: async () => {},
    };
  }

  /** @returns {FileSystemWritableFileStream} */
  get stream() {
    return /** @type {any} */ ({
      seek: async () => {},
      write: async (/** @type {any} */ { position, data }) => this.write(position, data),
      truncate: async (/** @type {number} */ size) => this.truncate(size),
    });
  }

  /** @param {number} offset @param {Uint8Array<ArrayBuffer>} given */
  write(offset, given) {
    if (this.failure) throw this.failure;
    const { buffer, length } = given;
    if (offset + length > this.content.length) this.truncate(offset + length, "");
    this.content.set(structuredClone(given), offset);
    structuredClone(buffer, { transfer: [buffer] }); // it is taken over
    this.log.push(`write ${offset}+${length}`);
  }

  /** @param {number} size @param {string} [name] */
  truncate(size, name = `truncate ${size}`) {
    const content = new Uint8Array(size);
    content.set(this.content.subarray(0, size));
    this.content = content;
    if (name) this.log.push(name);
  }
}

for (const [name, make] of /** @type {[string, (file: MemoryFile) => import("../../client/evidence/index.js").Sink][]} */ ([
  ["storedSink", (file) => storedSink(file.stored)], ["fileSink", (file) => fileSink(file.stream)],
])) {
  test(`${name} appends, and makes its holes by the file's length`, async () => {
    const file = new MemoryFile();
    const sink = make(file);
    await Promise.all([sink.write(bytes(1, 2)), sink.skip(3), sink.write(bytes(3)), sink.skip(2), sink.skip(1), sink.sync()]);
    assert.deepEqual([...file.content], [1, 2, 0, 0, 0, 3, 0, 0, 0]);
    assert.deepEqual(file.log.filter((what) => what !== "flush"), ["write 0+2", "write 5+1", "truncate 9"]);
    assert.equal(await sink.size(), 9);
  });

  test(`${name} goes on where it is cut`, async () => {
    const file = new MemoryFile();
    const sink = make(file);
    await sink.write(bytes(1, 2, 3, 4));
    await sink.truncate(2);
    await sink.write(bytes(5));
    await sink.truncate(3);
    await sink.skip(1);
    await sink.sync();
    assert.deepEqual([...file.content], [1, 2, 5, 0]);
  });

  test(`${name} fails after a failure, until it is cut`, async () => {
    const file = new MemoryFile();
    const sink = make(file);
    await sink.write(bytes(1));
    file.failure = new NbdError("ENOSPC", "no room");
    for (const task of [() => sink.write(bytes(2)), () => sink.sync(), () => sink.skip(1)]) await assert.rejects(task(), { code: "ENOSPC" });
    file.failure = undefined;
    await assert.rejects(sink.write(bytes(3)), { code: "ENOSPC" });
    await sink.truncate(1);
    await sink.write(bytes(7));
    assert.deepEqual([...file.content], [1, 7]);
  });
}

test("a stored image is made durable after its length", async () => {
  const file = new MemoryFile();
  const sink = storedSink(file.stored);
  await sink.skip(4096);
  await sink.sync();
  assert.deepEqual(file.log, ["truncate 4096", "flush"]);
});

test("what a file of the user's throws is told as ours", async () => {
  for (const [name, code] of [["QuotaExceededError", "ENOSPC"], ["InvalidStateError", "EIO"]]) {
    const file = new MemoryFile();
    file.failure = new DOMException("no", name);
    await assert.rejects(fileSink(file.stream).write(bytes(1)), { code, stage: "client" });
  }
});

test("a stream gets zeros, and can't be cut", async () => {
  /** @type {number[]} */ const got = [];
  const stream = new WritableStream({ write: (chunk) => void got.push(...chunk) });
  const sink = streamSink(stream);
  await Promise.all([sink.write(bytes(1)), sink.skip(3), sink.write(bytes(2))]);
  assert.deepEqual(got, [1, 0, 0, 0, 2]);
  assert.equal(await sink.size(), 5);
  await sink.truncate(5);
  await assert.rejects(sink.truncate(4), { code: "ENOTSUP", message: /can't be cut at 4 bytes: 5 were written/ });
  await stream.close(); // it is nobody's
});

test("what is no file and no stream is refused", () => {
  for (const make of [() => fileSink(/** @type {any} */ ({})), () => streamSink(/** @type {any} */ ({}))]) assert.throws(make, { code: "INVALID_ARGUMENT" });
  const stream = new WritableStream();
  stream.getWriter();
  assert.throws(() => streamSink(stream), { code: "INVALID_ARGUMENT" });
});
