// The page's side of a reading: where the image goes, and who is told.
import { NbdError } from "../errors.js";
import { serve } from "./ports.js";

/** @typedef {import("./sinks.js").Sink} Sink */

/**
 * @typedef {object} Listeners
 * @property {Sink} [sink]
 * @property {() => import("./types.js").Outage[]} [outages]
 * @property {(state: import("./types.js").State) => void | Promise<void>} [onState]
 * @property {(progress: import("./types.js").AcquireProgress) => void} [onProgress]
 */

/** Answers the Worker that reads, over a port. */
export class Desk {
  #port;
  #listeners;
  #underWay = 0;
  #onIdle = () => {};
  /** What listeners threw that is no NbdError, for who called. @type {unknown[]} */ #thrown = [];
  /** For the Worker. */ port;

  /** @param {Listeners} listeners */
  constructor(listeners) {
    this.#listeners = listeners;
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    this.port = port2;
    const methods = Object.entries(this.#methods()).map(([name, method]) => [name, (/** @type {any[]} */ ...args) => this.#run(() => method(...args))]);
    serve(port1, Object.fromEntries(methods));
  }

  /** @returns {import("./ports.js").Methods} */
  #methods() {
    const { sink, outages, onState, onProgress } = this.#listeners;
    return {
      write: (bytes) => sink?.write(bytes),
      skip: (length) => sink?.skip(length),
      sync: () => sink?.sync(),
      cut: (size) => cut(/** @type {Sink} */ (sink), size),
      state: (json) => onState?.(JSON.parse(json)),
      outages: () => JSON.stringify(outages?.() ?? []),
      progress: (now) => onProgress?.(now),
    };
  }

  /** @param {() => any} task */
  async #run(task) {
    this.#underWay++;
    try {
      return await task();
    } catch (error) {
      throw error instanceof NbdError ? error : this.#wrapped(error);
    } finally {
      if (--this.#underWay === 0) this.#onIdle();
    }
  }

  /** @param {unknown} error */
  #wrapped(error) {
    const thrown = this.#thrown.push(error) - 1;
    return new NbdError("INTERNAL", `What takes the image, or listens, failed: ${error}.`, { thrown });
  }

  /** What was thrown here comes back as it was. @param {any} error */
  original(error) {
    const { thrown } = error?.details ?? {};
    return thrown in this.#thrown ? this.#thrown[thrown] : error;
  }

  /** Takes nothing more. Fulfils when what is under way has ended, and at the limit, in milliseconds. @param {number} limit */
  async close(limit) {
    this.#port.onmessage = null;
    this.#port.close();
    if (this.#underWay === 0) return;
    await /** @type {Promise<void>} */ (new Promise((resolve) => {
      const timer = setTimeout(resolve, limit);
      this.#onIdle = () => (clearTimeout(timer), resolve());
    }));
  }
}

/**
 * @param {Sink} sink
 * @param {number} size
 */
async function cut(sink, size) {
  const has = await sink.size();
  if (has < size) throw new NbdError("INVALID_ARGUMENT", `The sink has ${has} bytes, and the state goes on at ${size}: it is the state of another image, or the image was cut. Acquire from the begin.`);
  await sink.truncate(size);
}
