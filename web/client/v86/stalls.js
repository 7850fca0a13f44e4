import { hold } from "./emulator.js";

/** @typedef {import("./emulator.js").Emulator} Emulator */

/**
 * Looks after the patience of a guest, which knows nothing of networks: when
 * an answer takes too long, its emulator is stopped until it has come.
 */
export class Stalls {
  #after;
  #events;
  #emulator;
  /** Requests that wait too long. */ #late = 0;
  #since = 0;
  #release = () => {};

  /**
   * @param {number} after milliseconds
   * @param {import("../events.js").Events<import("./events.js").V86DiskEvents>} events
   * @param {() => Emulator | undefined} emulator
   */
  constructor(after, events, emulator) {
    this.#after = after;
    this.#events = events;
    this.#emulator = emulator;
  }

  /**
   * A request of the guest's begins.
   * @returns {() => void} to be called once, when it has ended
   */
  watch() {
    const began = Date.now();
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      this.#begin(began);
    }, this.#after);
    return () => {
      clearTimeout(timer);
      if (late) this.#end();
    };
  }

  /** @param {number} began */
  #begin(began) {
    if (this.#late++ > 0) return;
    this.#since = began;
    const emulator = this.#emulator();
    if (emulator) this.#release = hold(emulator).release;
    this.#events.emit("stalled", { since: began });
  }

  #end() {
    if (--this.#late > 0) return;
    this.#release();
    this.#release = () => {};
    this.#events.emit("resumed", { after: Date.now() - this.#since });
  }
}
