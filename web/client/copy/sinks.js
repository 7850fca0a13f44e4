// What a device can be copied to.
import { NbdError, invalid } from "../errors.js";

/** Bytes of zeros that are written at once where there is no other way. */
const zeroChunk = 1 << 20;

/** @typedef {import("../device.js").BlockDevice} BlockDevice */
/** @typedef {import("./pieces.js").Piece} Piece */
/** @typedef {{offset: number}} CopyState all before the offset is in the sink */

/**
 * Where a copy goes; the caller ends it. Of a writable device, the first bytes
 * become those of the source. A FileSystemWritableFileStream becomes as long as
 * the source; its holes are not written. Any other WritableStream gets bytes.
 * @typedef {BlockDevice | WritableStream<Uint8Array<ArrayBuffer>> | FileSystemWritableFileStream} Sink
 */

/**
 * @typedef {object} Ends
 * @property {() => Promise<unknown>} begin
 * @property {() => Promise<unknown>} end all was taken
 * @property {() => void} release
 */

/** @typedef {import("./carry.js").Taker<CopyState> & Ends} Target */

/**
 * @param {any} sink
 * @param {number} from
 * @param {number} size
 * @param {AbortSignal} [signal]
 * @returns {Target}
 */
export function targetOf(sink, from, size, signal) {
  if (typeof sink?.truncate === "function" && typeof sink.seek === "function") return fileTarget(sink, from, size);
  if (typeof sink?.getWriter === "function") return streamTarget(sink);
  if (typeof sink?.zero === "function" && Number.isSafeInteger(sink.size)) return deviceTarget(sink, size, signal);
  throw invalid("copy goes to a writable device, a WritableStream, or the FileSystemWritableFileStream that createWritable() of a file's handle gives.");
}

/**
 * @param {BlockDevice} device
 * @param {number} size
 * @param {AbortSignal} [signal]
 * @returns {Target}
 */
function deviceTarget(device, size, signal) {
  if (device.readOnly) throw new NbdError("READ_ONLY", "The device to copy to is read-only. Open it with readOnly: false, if its server exports it for writing.");
  if (device.size < size) throw new NbdError("OUT_OF_RANGE", `The device to copy to has ${device.size} bytes, and the source ${size}. Copy to a larger one, or a region of the source.`, { offset: device.size, length: size - device.size });
  return {
    ahead: 8,
    longest: 64 << 20,
    take: ({ offset, length, type, bytes }, scope) => bytes
      ? device.write(offset, bytes, { signal: scope, transfer: true })
      : zero(device, offset, length, { signal: scope, unmap: type === "hole" }),
    state: (offset) => ({ offset }),
    save: () => device.flush({ signal }),
    begin: async () => {},
    end: () => device.flush({ signal }),
    release() {},
  };
}

/**
 * @param {BlockDevice} device
 * @param {number} offset
 * @param {number} length
 * @param {{signal: AbortSignal, unmap: boolean}} options
 */
async function zero(device, offset, length, options) {
  try {
    return await device.zero(offset, length, options);
  } catch (/** @type {any} */ error) {
    if (error?.code !== "ENOTSUP") throw error;
  }
  for (let done = 0; done < length; done += zeroChunk) {
    await device.write(offset + done, new Uint8Array(Math.min(zeroChunk, length - done)), { signal: options.signal, transfer: true });
  }
}

/**
 * What is after the offset goes away first, so that holes read as zeros.
 * @param {FileSystemWritableFileStream} file
 * @param {number} from
 * @param {number} size
 * @returns {Target}
 */
function fileTarget(file, from, size) {
  return {
    ahead: 4,
    longest: 64 << 20,
    take: ({ offset, bytes }) => bytes ? told(offset, () => file.write({ type: "write", position: offset, data: bytes })) : Promise.resolve(),
    state: (offset) => ({ offset }),
    begin: () => told(from, async () => {
      await file.truncate(from);
      await file.truncate(size);
    }),
    end: async () => {},
    release() {},
  };
}

/**
 * @param {WritableStream<Uint8Array<ArrayBuffer>>} stream
 * @returns {Target}
 */
function streamTarget(stream) {
  if (stream.locked) throw invalid("The stream to copy to is locked: somebody else writes to it.");
  const writer = stream.getWriter();
  return {
    ahead: 2,
    longest: zeroChunk,
    take: ({ offset, length, bytes }) => told(offset, () => writer.write(bytes ?? new Uint8Array(length))),
    state: (offset) => ({ offset }),
    abandon: (reason) => { writer.abort(reason).catch(() => {}); }, // it can't be known what it has
    begin: async () => {},
    end: async () => {},
    release: () => writer.releaseLock(),
  };
}

/**
 * @template T
 * @param {number} offset
 * @param {() => Promise<T>} write
 * @returns {Promise<T>}
 */
async function told(offset, write) {
  try {
    return await write();
  } catch (/** @type {any} */ error) {
    if (error instanceof NbdError) throw error;
    const [code, what] = error?.name === "QuotaExceededError" ? /** @type {const} */ (["ENOSPC", "has no more room. Make some"]) : /** @type {const} */ (["EIO", "failed. See to it"]);
    throw new NbdError(code, `What is copied to ${what}, and go on from the last state (${error}).`, { offset }, { stage: "client", cause: error });
  }
}
