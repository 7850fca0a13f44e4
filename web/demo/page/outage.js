// The banner that tells of an outage while it lasts.
import { Banner } from "./banner.js";
import { duration, visible } from "./text.js";

/**
 * Tells of the outages of a disk, until it is closed.
 * @param {import("../../client/index.js").Disk} disk
 * @param {string} meanwhile what becomes of the page's work, such as "What you see is from before."
 * @returns {Outage}
 */
export function showOutages(disk, meanwhile) {
  const ended = new AbortController();
  const { signal } = ended;
  const outage = new Outage(meanwhile);
  disk.on("stalled", ({ since }) => outage.set({ silent: true }, since), { signal });
  disk.on("resumed", () => outage.set({ silent: false }), { signal });
  disk.on("reconnecting", ({ attempt, delay, cause }) => outage.set({ attempt, due: Date.now() + delay, cause: visible(cause.message) }), { signal });
  disk.on("reconnected", () => outage.set({ attempt: 0, due: 0, cause: "" }), { signal });
  disk.closed.then(() => {
    outage.end();
    ended.abort();
  });
  return outage;
}

/** A connection may be silent and be lost at the same time, and the page's work may wait for it. */
export class Outage {
  #banner = new Banner();
  #meanwhile;
  #is = { silent: false, waiting: "", attempt: 0, due: 0, cause: "" };
  #ended = false;
  /** As by Date.now(). */ #since = 0;
  /** @type {ReturnType<typeof setInterval> | undefined} */ #clock;

  /** @param {string} meanwhile */
  constructor(meanwhile) {
    this.#meanwhile = meanwhile;
    this.#banner.element.id = "outage";
  }

  /**
   * The page's work waits for the disk, or does no more.
   * @param {string} text what is told of it; empty once it is over
   * @param {number} [since] by Date.now()
   */
  waiting(text, since) {
    this.set({ waiting: text }, since);
  }

  /**
   * Takes in what is new.
   * @param {Partial<{silent: boolean, waiting: string, attempt: number, due: number, cause: string}>} news
   * @param {number} [since] by Date.now()
   */
  set(news, since = Date.now()) {
    if (this.#ended) return;
    Object.assign(this.#is, news);
    const { silent, waiting, attempt } = this.#is;
    if (!silent && !waiting && !attempt) return this.#over();
    this.#since ||= since;
    this.#clock ??= setInterval(() => this.#tell(), 1000);
    this.#tell();
  }

  #tell() {
    const { waiting, attempt, cause } = this.#is;
    const what = attempt ? "The connection is lost." : "The server does not answer.";
    this.#banner.show(`${what} ${waiting || this.#meanwhile}`, `For ${duration(Date.now() - this.#since)}.${this.#next()}`, cause);
  }

  #next() {
    const { attempt, due } = this.#is;
    if (!attempt) return "";
    const wait = due - Date.now();
    return wait > 0 ? ` Connecting again in ${duration(wait)}, attempt ${attempt}.` : ` Connecting again, attempt ${attempt}.`;
  }

  #over() {
    clearInterval(this.#clock);
    this.#clock = undefined;
    this.#since = 0;
    this.#banner.hide();
  }

  end() {
    this.#ended = true;
    this.#over();
    this.#banner.remove();
  }
}
