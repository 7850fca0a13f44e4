import { describe, invalid } from "../errors.js";
import { dataLength, done, ended, failed, partsOf, pieceSize, putText, state } from "./memory.js";

/** @typedef {import("../device.js").BlockDevice} BlockDevice */
/** @typedef {import("./memory.js").Parts} Parts */

/** What a call does, with the options of the device's methods. @type {Record<string, (device: BlockDevice, parts: Parts, args: any[], options: {signal: AbortSignal}) => Promise<void>>} */
const methods = {
  async read(device, { header, data }, [offset, length], options) {
    if (length > pieceSize) throw invalid(`At most ${pieceSize} bytes are read at once.`);
    data.set(await device.read(offset, length, options));
    header[dataLength] = length;
  },
  async write(device, { data }, [offset, length], options) {
    await device.write(offset, data.subarray(0, length), options);
  },
  flush: (device, _, __, options) => device.flush(options),
  trim: (device, _, [offset, length], options) => device.trim(offset, length, options),
};

/** The calls of a thread that waits in Atomics.wait. This side never waits for it. */
export class Blocking {
  #parts;

  /** @param {SharedArrayBuffer} memory */
  constructor(memory) {
    this.#parts = partsOf(memory);
  }

  /**
   * @param {BlockDevice} device
   * @param {string} method
   * @param {any[]} args
   * @param {AbortSignal} signal
   */
  async answer(device, method, args, signal) {
    if (!Object.hasOwn(methods, method)) throw invalid(`A handle has no method "${method}".`);
    await methods[method](device, this.#parts, args, { signal });
    this.#tell(done);
  }

  /** @param {unknown} error */
  fail(error) {
    const failure = describe(error);
    const { code, message, stage } = failure;
    if (!putText(this.#parts, failure)) putText(this.#parts, { code, message: message.slice(0, 1000), stage });
    this.#tell(failed);
  }

  /** Nothing will be answered from now on. @param {unknown} why */
  end(why) {
    Atomics.store(this.#parts.header, ended, 1);
    this.fail(why);
  }

  /** @param {number} what */
  #tell(what) {
    Atomics.store(this.#parts.header, state, what);
    Atomics.notify(this.#parts.header, state);
  }
}
