// Where an image goes.
import { NbdError, invalid } from "../errors.js";
import { storageError } from "../storage/failures.js";

/** Bytes of zeros that are written at once where there is no other way. */
const zeroChunk = 1 << 20;

/**
 * What takes an image, from its begin to its end. Calls come one after the
 * other, or several at once that are to be carried out in their order; a sink
 * that has failed keeps failing.
 * @typedef {object} Sink
 * @property {(bytes: Uint8Array<ArrayBuffer>) => Promise<void>} write appends; takes the buffer over
 * @property {(length: number) => Promise<void>} skip appends zeros, as a hole where it can
 * @property {() => Promise<void>} sync makes durable what was appended, as far as it can
 * @property {() => Promise<number>} size bytes of the image that it has
 * @property {(size: number) => Promise<void>} truncate cuts off what is beyond; appending goes on there
 */

/**
 * An image in a file of the browser's own storage.
 * @param {import("../storage/file.js").StoreFile} file stays open: the caller closes it
 * @returns {Sink}
 */
export function storedSink(file) {
  let end = /** @type {number | undefined} */ (undefined); // of the image
  let written = 0; // the file is as long
  const at = async () => end ??= written = await file.size();
  const grow = async () => {
    const size = await at();
    if (size > written) await file.truncate(written = size);
  };
  return inOrder({
    size: at,
    async write(bytes) {
      const from = await at(), { length } = bytes;
      await file.write(from, bytes);
      end = written = from + length;
    },
    async skip(length) { end = await at() + length; },
    async truncate(size) {
      await file.truncate(size);
      end = written = size;
    },
    async sync() {
      await grow();
      await file.flush();
    },
  });
}

/**
 * An image in a file that the user has picked, new and empty. The browser writes
 * beside it and puts it in its place when the stream is closed: nothing is
 * durable before, and after the page has ended nothing is left to go on with.
 * @param {FileSystemWritableFileStream} stream of createWritable(); the caller closes it
 * @returns {Sink}
 */
export function fileSink(stream) {
  if (typeof stream?.truncate !== "function" || typeof stream.seek !== "function") throw invalid("fileSink takes what createWritable() of a file's handle gives.");
  let end = 0, written = 0;
  const resize = async (/** @type {number} */ size) => {
    await told(stream.truncate(size));
    end = written = size;
  };
  return inOrder({
    size: async () => end,
    async write(bytes) {
      const { length } = bytes;
      await told(stream.write({ type: "write", position: end, data: bytes }));
      end = written = end + length;
    },
    async skip(length) { end += length; },
    truncate: resize,
    async sync() { if (end > written) await resize(end); },
  });
}

/**
 * An image in a stream of bytes, holes as zeros. It can't be cut: an
 * acquisition that stopped goes on only where the stream has nothing beyond its
 * state.
 * @param {WritableStream<Uint8Array<ArrayBuffer>>} stream nobody else writes to it; the caller closes it
 * @returns {Sink}
 */
export function streamSink(stream) {
  if (typeof stream?.getWriter !== "function" || stream.locked) throw invalid("streamSink takes a WritableStream that nobody else writes to.");
  let end = 0;
  const write = async (/** @type {Uint8Array<ArrayBuffer>} */ bytes) => {
    const { length } = bytes; // it may be gone when it was written
    const writer = stream.getWriter();
    try {
      await told(writer.write(bytes));
      end += length;
    } finally {
      writer.releaseLock();
    }
  };
  return inOrder({
    size: async () => end,
    write,
    async skip(length) {
      for (let done = 0; done < length; done += zeroChunk) await write(new Uint8Array(Math.min(zeroChunk, length - done)));
    },
    async truncate(size) {
      if (size !== end) throw new NbdError("ENOTSUP", `A stream can't be cut at ${size} bytes: ${end} were written. Acquire from the begin, to another one.`, {}, { stage: "client" });
    },
    async sync() {},
  });
}

/**
 * One call after the other; the first failure is that of all later ones but
 * size and truncate, which begins anew.
 * @param {Sink} sink
 * @returns {Sink}
 */
function inOrder(sink) {
  /** @type {Promise<any>} */ let last = Promise.resolve();
  const queue = (/** @type {(...args: any[]) => Promise<any>} */ task) => (/** @type {any[]} */ ...args) => {
    const turn = last.then(() => task(...args));
    last = turn;
    last.catch(() => {}); // told by the call
    return turn;
  };
  const anew = (/** @type {(...args: any[]) => Promise<any>} */ task) => (/** @type {any[]} */ ...args) => {
    last = last.catch(() => {});
    return queue(task)(...args);
  };
  return { write: queue(sink.write), skip: queue(sink.skip), sync: queue(sink.sync), size: anew(sink.size), truncate: anew(sink.truncate) };
}

/**
 * @template T
 * @param {Promise<T>} work
 * @returns {Promise<T>} rejects with an NbdError
 */
function told(work) {
  return work.catch((error) => { throw storageError(error, "Writing the image"); });
}
