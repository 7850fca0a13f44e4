// The banner that tells of an outage while it lasts.
import { element } from "./dom.js";
import { duration } from "./text.js";

/**
 * Tells of the outages of a disk, in a banner under the page's head.
 * @param {import("../../client/index.js").Disk} disk
 * @param {string} meanwhile what becomes of the page's work, such as "The machine is paused."
 */
export function showOutages(disk, meanwhile) {
  const ended = new AbortController();
  const { signal } = ended;
  const banner = new Banner(meanwhile);
  disk.on("stalled", ({ since }) => banner.show(since, "The server does not answer."), { signal });
  disk.on("reconnecting", ({ attempt, cause }) => banner.show(Date.now(), `Connecting again, attempt ${attempt}: ${cause.message}`), { signal });
  for (const type of /** @type {const} */ (["resumed", "reconnected"])) disk.on(type, () => banner.hide(), { signal });
  disk.closed.then(() => {
    banner.remove();
    ended.abort();
  });
}

/** One outage after the other. */
class Banner {
  #box = element("div", "", "banner warn");
  #headline = element("strong");
  #detail = element("p");
  #since = 0;
  /** @type {ReturnType<typeof setInterval> | undefined} */ #clock;

  /** @param {string} meanwhile */
  constructor(meanwhile) {
    this.meanwhile = meanwhile;
    this.#box.id = "outage";
    this.#box.role = "status";
    this.#box.hidden = true;
    const line = element("p");
    line.append(this.#headline);
    this.#box.append(line, this.#detail);
    document.body.append(this.#box);
  }

  /**
   * @param {number} since as by Date.now()
   * @param {string} detail
   */
  show(since, detail) {
    if (this.#box.hidden) this.#since = since;
    this.#box.hidden = false;
    this.#detail.textContent = detail;
    this.#tell();
    this.#clock ??= setInterval(() => this.#tell(), 5000); // often enough to see, and not to be talked to death
  }

  #tell() {
    const seconds = Math.round((Date.now() - this.#since) / 1000);
    this.#headline.textContent = `No connection${seconds >= 5 ? ` for ${duration(seconds * 1000)}` : ""}. ${this.meanwhile}`;
  }

  hide() {
    this.#box.hidden = true;
    clearInterval(this.#clock);
    this.#clock = undefined;
  }

  remove() {
    this.hide();
    this.#box.remove();
  }
}
