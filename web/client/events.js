import { check, isFunction, isSignal } from "./options.js";
import { invalid } from "./errors.js";

/**
 * What a disk tells while it is open. Times are in milliseconds.
 * @typedef {object} DiskEvents
 * @property {{since: number}} stalled for five seconds now requests are under
 *   way without any answer, or there is no connection; since as by Date.now()
 * @property {{after: number}} resumed after a stall: there is an answer, or a
 *   connection
 * @property {{attempt: number, delay: number, cause: import("./errors.js").NbdError}} reconnecting
 *   the connection was lost, and the next attempt comes after the delay
 * @property {{after: number}} reconnected everything is as before the outage
 * @property {{error: import("./errors.js").NbdError | undefined}} closed once, at the end; with why, unless it was
 *   close(): then with UNFLUSHED if acknowledged writes were lost, or nothing
 * @property {import("./stats.js").Stats} stats at most once a second, while something changes
 */

/** @typedef {keyof DiskEvents} EventName */

/** @type {readonly EventName[]} */
export const diskEvents = ["stalled", "resumed", "reconnecting", "reconnected", "closed", "stats"];
const rules = { signal: isSignal };

/**
 * The listeners of one disk.
 * @template {object} Details of each event, by its name
 */
export class Events {
  #names;
  /** @type {Map<keyof Details, Set<(detail: any) => void>>} */ #listeners = new Map();
  /** Lets go of the signals that listeners came with. */ #over = new AbortController();

  /** @param {readonly (keyof Details)[]} names that can be listened to */
  constructor(names) {
    this.#names = names;
  }

  /**
   * @template {keyof Details} Name
   * @param {Name} name
   * @param {(detail: Details[Name]) => void} listener
   * @param {{signal?: AbortSignal}} options
   */
  on(name, listener, options) {
    const { signal } = check(options, rules);
    if (!this.#names.includes(name)) throw invalid(`There is no event ${String(name)}: known are ${this.#names.join(", ")}.`);
    if (!isFunction(listener)) throw invalid(`The listener of the event ${String(name)} must be a function.`);
    if (signal?.aborted) return;
    const own = (/** @type {any} */ detail) => listener(detail); // the same one may be added twice
    const all = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, all.add(own));
    signal?.addEventListener("abort", () => all.delete(own), { once: true, signal: this.#over.signal });
  }

  /** @param {keyof Details} name */
  heard(name) {
    return !!this.#listeners.get(name)?.size;
  }

  /**
   * @template {keyof Details} Name
   * @param {Name} name
   * @param {Details[Name]} detail
   */
  emit(name, detail) {
    for (const listener of [...this.#listeners.get(name) ?? []]) {
      try {
        listener(detail);
      } catch (error) {
        report(error);
      }
    }
  }

  /** Forgets the listeners. */
  end() {
    this.#over.abort();
    this.#listeners.clear();
  }
}

/** What a listener throws is the page's affair, not the disk's. @param {unknown} error */
function report(error) {
  if (typeof reportError === "function") reportError(error);
  else queueMicrotask(() => { throw error; });
}
