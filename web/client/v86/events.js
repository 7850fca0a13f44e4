import { check, isFunction, isSignal } from "../options.js";
import { invalid } from "../errors.js";

/**
 * What a disk of an emulator tells. Times are in milliseconds.
 * @typedef {object} V86DiskEvents
 * @property {{since: number}} stalled a request of the guest waits for stallAfter
 *   now; since as by Date.now()
 * @property {{after: number}} resumed nothing of the guest's waits that long any more
 * @property {{error: NbdError}} error a request of the guest will not be
 *   answered, or a state was refused; the emulator was stopped
 * @property {{error: NbdError | undefined}} closed once, at the end; with why, unless it was close()
 */

/** @typedef {import("../errors.js").NbdError} NbdError */
/** @typedef {keyof V86DiskEvents} EventName */

/** @type {readonly EventName[]} */
const names = ["stalled", "resumed", "error", "closed"];

/** The listeners of one disk. */
export class Events {
  /** @type {Map<string, Set<(detail: any) => void>>} */ #listeners = new Map();

  /**
   * @template {EventName} Name
   * @param {Name} name
   * @param {(detail: V86DiskEvents[Name]) => void} listener
   * @param {{signal?: AbortSignal}} options
   */
  on(name, listener, options) {
    const { signal } = check(options, { signal: isSignal });
    if (!names.includes(name)) throw invalid(`There is no event ${String(name)}: known are ${names.join(", ")}.`);
    if (!isFunction(listener)) throw invalid(`The listener of the event ${name} must be a function.`);
    if (signal?.aborted) return;
    const own = (/** @type {any} */ detail) => listener(detail); // the same one may be added twice
    const all = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, all.add(own));
    signal?.addEventListener("abort", () => all.delete(own), { once: true });
  }

  /**
   * @template {EventName} Name
   * @param {Name} name
   * @param {V86DiskEvents[Name]} detail
   */
  emit(name, detail) {
    for (const listener of [...this.#listeners.get(name) ?? []]) unharmed(() => listener(detail));
  }
}

/**
 * Calls what is not ours: what it throws is its owner's affair, who learns of
 * it as of any uncaught error.
 * @param {() => void} call
 */
export function unharmed(call) {
  try {
    call();
  } catch (error) {
    queueMicrotask(() => { throw error; });
  }
}
