// The banner that tells of an outage while it lasts.
import { Banner } from "./banner.js";
import { duration, visible } from "./text.js";

/**
 * Tells of the outages of a disk, until it is closed.
 * @param {import("../../client/index.js").Disk} disk
 * @param {string} meanwhile what becomes of the page's work, such as "The machine is paused."
 */
export function showOutages(disk, meanwhile) {
  const ended = new AbortController();
  const { signal } = ended;
  const outage = new Outage(meanwhile);
  disk.on("stalled", ({ since }) => outage.stalled(since), { signal });
  disk.on("resumed", () => outage.resumed(), { signal });
  disk.on("reconnecting", ({ attempt, cause }) => outage.lost(attempt, cause), { signal });
  disk.on("reconnected", () => outage.reconnected(), { signal });
  disk.closed.then(() => {
    outage.end();
    ended.abort();
  });
}

/** A connection may be silent and be lost at the same time. */
class Outage {
  #banner = new Banner();
  #meanwhile;
  #stalled = false;
  /** Of connecting again, if the connection is lost. */ #attempt = 0;
  #cause = "";
  /** As by Date.now(). */ #since = 0;
  /** @type {ReturnType<typeof setInterval> | undefined} */ #clock;

  /** @param {string} meanwhile */
  constructor(meanwhile) {
    this.#meanwhile = meanwhile;
    this.#banner.element.id = "outage";
  }

  /** @param {number} since */
  stalled(since) {
    this.#stalled = true;
    this.#begin(since);
  }

  resumed() {
    this.#stalled = false;
    this.#tell();
  }

  /**
   * @param {number} attempt
   * @param {Error} cause
   */
  lost(attempt, cause) {
    this.#attempt = attempt;
    this.#cause = visible(cause.message);
    this.#begin(Date.now());
  }

  reconnected() {
    this.#attempt = 0;
    this.#cause = "";
    this.#tell();
  }

  /** @param {number} since */
  #begin(since) {
    if (!this.#clock) this.#since = since;
    this.#clock ??= setInterval(() => this.#tell(), 1000);
    this.#tell();
  }

  #tell() {
    if (!this.#stalled && !this.#attempt) return this.#over();
    const what = this.#attempt ? "The connection is lost." : "The server does not answer.";
    const tried = this.#attempt ? ` Connecting again, attempt ${this.#attempt}.` : "";
    this.#banner.show(`${what} ${this.#meanwhile}`, `For ${duration(Date.now() - this.#since)}.${tried}`, this.#cause);
  }

  #over() {
    clearInterval(this.#clock);
    this.#clock = undefined;
    this.#banner.hide();
  }

  end() {
    this.#over();
    this.#banner.remove();
  }
}
