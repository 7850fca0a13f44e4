// The connection of a page: the form, the list of exports, and what becomes of
// the disk that they lead to. A page says what it does with a disk.
import { list } from "../../client/index.js";
import { hideError, showError } from "./alert.js";
import { byId } from "./dom.js";
import { focusExports, showExports } from "./exports.js";
import { ConnectionForm } from "./form.js";
import { fragment } from "./fragments.js";
import { parseLink } from "./link.js";
import { fetchLocalDemo } from "./local.js";
import { showNotice } from "./notices.js";
import { visible } from "./text.js";

/** @typedef {import("./form.js").Place} Place */

/**
 * What a page does with a disk.
 * @typedef {object} Job
 * @property {string} action the word of its button, such as "Boot"
 * @property {string} opening shown while it lasts, such as "Booting…"
 * @property {string} opened shown then, such as "Running."
 * @property {string} failed shown if it fails, such as "The machine could not be started."
 * @property {string} [stop] the word of the button that ends it; "Disconnect"
 * @property {(place: Place, signal: AbortSignal, again: boolean) => Promise<void>} open
 *   begins; again: after connection.lost(), at the same place. It is never
 *   called before what was open has been closed
 * @property {(stay: boolean) => void | Promise<void>} close ends what open()
 *   began, also where that failed or was cancelled; stay: what is shown may stay
 *   in sight, out of use, since it was lost or something else follows. It may be
 *   called when there is nothing to end
 * @property {HTMLElement[]} [fields] of the page, for the form
 */

/**
 * Puts the connection into a page. It asks the server for its exports by itself
 * only in the demo, and never where a link has led.
 * @param {HTMLElement} container
 * @param {Job} job
 */
export async function startConnection(container, job) {
  container.append(await fragment(new URL("connection.html", import.meta.url)));
  byId("more-fields", HTMLElement).append(...job.fields ?? []);
  const connection = new Connection(job);
  const demo = await fetchLocalDemo();
  if (demo) connection.form.fill(demo);
  if (demo) showNotice("demo-notice", "About this demo", "This is the demo.", DEMO);
  addEventListener("hashchange", () => connection.follow(parseLink(location.hash)));
  const led = connection.follow(parseLink(location.hash));
  if (demo && !led) connection.list({ focus: false });
  return connection;
}

const DEMO = "The CA and the client key in the form came from the same server as this page, so that you need not type anything. " +
  "They are good for the demo only. Whoever runs that server could have chosen them, so this page proves nothing about a hostile bridge.";

/** Shown while a disk is closed; that can't be cancelled. */
const CLOSING = "Closing…";

export class Connection {
  #job;
  #status = byId("status", HTMLElement);
  #stop = byId("stop", HTMLButtonElement);
  #open = byId("open", HTMLButtonElement);
  /** Ends the work under way. @type {AbortController | undefined} */ #task;
  /** What that work is, in words. */ #doing = "";
  /** Where the disk that is open, or being opened, comes from. @type {Place | undefined} */ #place;
  #opened = false;
  /** Ends with the last opening or closing. @type {Promise<unknown>} */ #turn = Promise.resolve();

  /** @param {Job} job */
  constructor(job) {
    this.#job = job;
    this.form = new ConnectionForm((error) => showError("The file was not read.", error));
    this.#open.textContent = job.action;
    byId("connect", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
      this.open(() => this.form.read());
    });
    byId("list", HTMLButtonElement).addEventListener("click", () => this.list());
    this.#stop.addEventListener("click", () => this.#onStop());
    this.#showState();
  }

  /**
   * Fills in the form as a link has it.
   * @param {import("./link.js").Link} link
   * @returns {boolean} whether it led anywhere
   */
  follow(link) {
    const { bridge, target, exportName } = link;
    if (!bridge && !target && !exportName) return false;
    this.form.follow(link);
    const parts = Object.entries({ bridge, target, export: exportName }).filter(([, text]) => text);
    const said = parts.map(([name, text]) => `${name} ${visible(text ?? "")}`).join(", ");
    showNotice("link-notice", "About the link", "A link has filled in this form.", `It says: ${said}. Nothing is connected yet: see whether you trust that, then choose ${this.#job.action}.`);
    return true;
  }

  /** Lists the exports of the server that the form leads to. */
  list({ focus = true } = {}) {
    return this.#run("Listing the exports…", "The exports could not be listed.", async (signal) => {
      const place = this.form.read();
      const entries = await list(place.url, { tls: place.tls, signal });
      signal.throwIfAborted();
      showExports(entries, { action: this.#job.action, onOpen: (name) => this.open(() => ({ ...place, exportName: name })) });
      if (focus) focusExports();
    });
  }

  /**
   * Begins with a disk, in place of the one before.
   * @param {() => Place} choose
   * @param {boolean} [again]
   */
  open(choose, again = false) {
    const retry = again ? () => { this.open(choose, true); } : undefined;
    return this.#run(this.#job.opening, this.#job.failed, async (signal) => {
      const place = choose();
      await this.#inTurn(() => this.#replace(place, signal, again));
    }, retry);
  }

  /**
   * @param {Place} place
   * @param {AbortSignal} signal
   * @param {boolean} again
   */
  async #replace(place, signal, again) {
    signal.throwIfAborted();
    await this.#close(true).catch((error) => showError("What was open before did not end well.", error));
    this.#place = { ...place };
    try {
      signal.throwIfAborted();
      await this.#job.open(place, signal, again);
      signal.throwIfAborted();
    } catch (error) {
      await this.#close().catch(() => {}); // why it did not open is the news
      throw error;
    }
    this.#opened = true;
  }

  /**
   * The page tells that it has opened a disk again by itself, after what was
   * open here had been closed.
   * @param {Place} place
   */
  took(place) {
    if (this.#place) return;
    this.#place = { ...place };
    this.#opened = true;
    this.#showState();
  }

  /**
   * The page tells that what it had open has ended by itself, and why.
   * @param {string} what such as "The connection was lost."
   * @param {unknown} reason
   * @param {{focus?: boolean}} [options] whether the message takes the focus
   */
  async lost(what, reason, options) {
    const place = this.#place;
    await this.#inTurn(async () => {
      if (!place || this.#place !== place) return; // it has been given up meanwhile
      await this.#close(true).catch(() => {}); // why it was lost is the news
      this.#showState();
      showError(what, reason, { retry: () => { this.open(() => place, true); }, ...options });
    });
  }

  /**
   * Does one thing that takes time. What was under way before is given up.
   * @param {string} doing shown while it lasts
   * @param {string} failed shown when it fails
   * @param {(signal: AbortSignal) => Promise<void>} work
   * @param {() => void} [retry] what a button "Reconnect" does if it fails
   */
  async #run(doing, failed, work, retry) {
    this.#task?.abort();
    const mine = this.#task = new AbortController();
    hideError();
    this.#doing = doing;
    this.#showState();
    try {
      await work(mine.signal);
    } catch (error) {
      if (!mine.signal.aborted) showError(failed, error, { retry });
    }
    if (this.#task === mine) this.#rest();
  }

  /** Nothing is under way any more. */
  #rest() {
    this.#task = undefined;
    this.#doing = "";
    this.#showState();
  }

  /**
   * Opens and closes one after the other, whatever the user does meanwhile.
   * @param {() => Promise<void>} work
   */
  #inTurn(work) {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => {});
    return done;
  }

  async #close(stay = false) {
    this.#place = undefined;
    this.#opened = false;
    await this.#job.close(stay);
  }

  #showState() {
    const doing = this.#doing;
    document.querySelector("main")?.setAttribute("aria-busy", String(doing !== ""));
    this.#stop.textContent = doing ? "Cancel" : this.#job.stop ?? "Disconnect";
    this.#stop.disabled = doing ? doing === CLOSING : !this.#opened;
    this.#status.textContent = doing || (this.#opened ? this.#job.opened : "Not connected.");
  }

  #onStop() {
    byId("list", HTMLButtonElement).focus(); // this button may be disabled soon
    if (!this.#task) return this.#run(CLOSING, "It did not end well.", () => this.#inTurn(() => this.#close()));
    this.#task.abort();
    hideError();
    this.#rest();
  }
}
