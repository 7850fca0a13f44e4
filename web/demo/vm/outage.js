// Says that the connection is lost and that the machine waits for it.
import { Banner } from "../page/banner.js";
import { duration, visible } from "../page/text.js";

/** @typedef {import("./stack.js").Stack} Stack */

/**
 * Tells of the outages of a machine's disk, until the disk has ended.
 * @param {Stack} stack
 */
export function watchOutages({ disk, drive }) {
  const outage = new Outage();
  disk.on("stalled", ({ since }) => outage.set({ silent: true }, since));
  disk.on("resumed", () => outage.set({ silent: false }));
  disk.on("reconnecting", ({ attempt, delay, cause }) => outage.set({ attempt, due: Date.now() + delay, cause: visible(cause.message) }));
  disk.on("reconnected", () => outage.set({ attempt: 0, due: 0, cause: "" }));
  drive.on("stalled", ({ since }) => outage.set({ paused: true }, since));
  drive.on("resumed", () => outage.set({ paused: false }));
  disk.closed.then(() => outage.end());
}

/** A connection may be silent and be lost at the same time, and the machine pauses when it has to wait. */
class Outage {
  #banner = new Banner();
  #is = { silent: false, paused: false, attempt: 0, due: 0, cause: "" };
  /** By Date.now(). */ #since = 0;
  /** @type {ReturnType<typeof setInterval> | undefined} */ #clock;

  constructor() {
    this.#banner.element.id = "outage";
  }

  /** @param {Partial<{silent: boolean, paused: boolean, attempt: number, due: number, cause: string}>} news @param {number} [since] by Date.now() */
  set(news, since = Date.now()) {
    Object.assign(this.#is, news);
    const { silent, paused, attempt } = this.#is;
    if (!silent && !paused && !attempt) return this.#over();
    this.#since ||= since;
    this.#clock ??= setInterval(() => this.#tell(), 1000);
    this.#tell();
  }

  #tell() {
    const { paused, attempt, due, cause } = this.#is;
    const what = attempt ? "The connection to the disk is lost." : "The disk does not answer.";
    const machine = paused ? "The machine is paused until it is back, and loses nothing." : "The machine goes on until it needs the disk.";
    const wait = due - Date.now();
    const next = !attempt ? "" : wait > 0 ? ` Attempt ${attempt} comes in ${duration(wait)}.` : ` Attempt ${attempt} is under way.`;
    this.#banner.show(`${what} ${machine}`, `Since ${new Date(this.#since).toLocaleTimeString()}, for ${duration(Date.now() - this.#since)}.${next}`, cause);
  }

  #over() {
    clearInterval(this.#clock);
    this.#clock = undefined;
    this.#since = 0;
    this.#banner.hide();
  }

  end() {
    this.#over();
    this.#banner.remove();
  }
}
