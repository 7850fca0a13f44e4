import { exactly } from "../checks.js";
import { invalid } from "../errors.js";
import { failureOf, shortened } from "./failure.js";
import { dataLength, done, ended, failed, over, partsOf, pieceSize, putText, state, waiting } from "./memory.js";

/** @typedef {import("../device.js").BlockDevice} BlockDevice */
/** @typedef {import("./memory.js").Parts} Parts */

/** What a call does, with the options of the device's methods. @type {Record<string, (device: BlockDevice, parts: Parts, args: any[], options: {signal: AbortSignal}) => Promise<void>>} */
const methods = {
  async read(device, { header, data }, [offset, length], options) {
    if (length > pieceSize) throw invalid(`At most ${pieceSize} bytes are read at once.`);
    data.set(exactly(await device.read(offset, length, options), length));
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
    putFailure(this.#parts.text, error);
    this.#tell(failed);
  }

  /**
   * Nothing will be answered from now on. What was answered before stays as it
   * is: the other side may be reading it.
   * @param {unknown} why
   */
  end(why) {
    const { header, farewell } = this.#parts;
    putFailure(farewell, why);
    Atomics.store(header, ended, 1);
    Atomics.compareExchange(header, state, waiting, over);
    Atomics.notify(header, state);
  }

  /** @param {number} what */
  #tell(what) {
    Atomics.store(this.#parts.header, state, what);
    Atomics.notify(this.#parts.header, state);
  }
}

/** Most characters of messages that are too long, and of those that escapes make too long still. */
const lengths = [1000, 100];

/** @param {Uint8Array} text @param {unknown} error */
function putFailure(text, error) {
  const failure = failureOf(error);
  try {
    if (putText(text, failure)) return;
  } catch {
    // JSON has not all that details may hold
  }
  lengths.some((length) => putText(text, shortened(failure, length)));
}
