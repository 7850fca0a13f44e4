import { NbdError } from "../errors.js";
import { Link } from "./link.js";

// The page's side of sw.js. A page has one name for all that it serves, and a
// way to each Service Worker that asks for some of it; one that was ended and
// started again has forgotten all, and calls the page by its name.

/** @typedef {import("./link.js").Answerer} Answerer */

/** Of the messages to sw.js, which has the same one. */
const version = 1;
/** How long a Service Worker has to answer, in milliseconds. */
const answerLimit = 10_000;

/** What a page serves, and to whom. */
class Holder {
  page = randomPart();
  /** @type {Map<string, Answerer>} */ #servings = new Map();
  /** By scope. @type {Map<string, Link>} */ #links = new Map();

  constructor() {
    const calls = new BroadcastChannel("nbdbridge-range");
    calls.onmessage = ({ data }) => {
      if (data?.page === this.page) this.#called(String(data.scope));
    };
  }

  /** @param {string} scope of the Service Worker that calls */
  async #called(scope) {
    const registration = await navigator.serviceWorker.getRegistration(scope);
    if (registration?.active) await this.connect(registration).catch(() => {}); // it waits, and tells
  }

  /** @param {ServiceWorkerRegistration} registration */
  async connect(registration) {
    const { port1, port2 } = new MessageChannel();
    const worker = /** @type {ServiceWorker} */ (registration.active);
    this.#links.get(registration.scope)?.end(); // of a Service Worker that is no more
    this.#links.set(registration.scope, new Link(port1, this.#servings, () => this.tell(registration)));
    const known = greeting(port1, worker);
    worker.postMessage({ nbdRange: version, page: this.page }, [port2]);
    await known.catch((error) => {
      this.#links.delete(registration.scope);
      port1.close();
      throw error;
    });
  }

  /**
   * One that has a link keeps it: if it was started again since, it calls.
   * @param {ServiceWorkerRegistration} registration
   */
  async link(registration) {
    if (!this.#links.has(registration.scope)) await this.connect(registration);
  }

  /**
   * Keeps a Service Worker awake.
   * @param {ServiceWorkerRegistration} registration
   * @param {boolean} [claim] whether it is to control the page
   */
  tell(registration, claim = false) {
    registration.active?.postMessage({ nbdRange: version, page: this.page, claim });
  }

  /** @param {Answerer} answerer */
  add(answerer) {
    const serving = randomPart();
    this.#servings.set(serving, answerer);
    return { part: `~nbd-${this.page}.${serving}`, withdraw: () => this.#withdraw(serving) };
  }

  /** @param {string} serving */
  #withdraw(serving) {
    this.#servings.delete(serving);
    for (const link of this.#links.values()) link.end(serving);
  }
}

/** @type {Holder | undefined} */ let holder;

/**
 * Has a Service Worker answer requests with what answerer says.
 * @param {ServiceWorkerRegistration} registration it must be active
 * @param {Answerer} answerer
 * @param {{claim?: boolean}} [options]
 * @returns {Promise<{part: string, withdraw: () => void}>} the part of the path
 *   by which the Service Worker knows the request, wherever in its scope
 */
export async function publish(registration, answerer, { claim = false } = {}) {
  holder ??= new Holder();
  await holder.link(registration);
  holder.tell(registration, claim);
  return holder.add(answerer);
}

/**
 * Fulfils when the Service Worker has shown that it runs our script.
 * @param {MessagePort} port
 * @param {ServiceWorker} worker
 */
function greeting(port, { scriptURL }) {
  return /** @type {Promise<void>} */ (new Promise((resolve, reject) => {
    const refuse = (/** @type {string} */ what) => reject(new NbdError("WASM_LOAD", `The Service Worker ${scriptURL} ${what}`));
    const timer = setTimeout(() => refuse("does not answer. It must be, or import, the sw.js that comes with this package: importScripts(\"…/sw.js\")."), answerLimit);
    port.addEventListener("message", ({ data }) => {
      clearTimeout(timer);
      if (data.version === version) resolve();
      else refuse("is of another version than the page. Close the other tabs of this site, and load this one again.");
    }, { once: true });
  }));
}

/** 128 bits, as 22 letters. */
function randomPart() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return btoa(String.fromCharCode(...bytes)).replace(/\+/g, "-").replace(/\//g, "_").replace(/=/g, "");
}
