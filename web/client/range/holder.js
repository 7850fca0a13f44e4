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

/** A link, and the version of who answers on it, once it does. @typedef {{link: Link, greeting: Promise<number>}} Way */

/** What a page serves, and to whom. */
class Holder {
  page = randomPart();
  /** @type {Map<string, Answerer>} */ #servings = new Map();
  /** By scope. @type {Map<string, Way>} */ #ways = new Map();

  constructor() {
    const calls = new BroadcastChannel("nbdbridge-range");
    calls.onmessage = ({ data }) => {
      if (data?.page === this.page) this.#called(String(data.scope));
    };
  }

  /** @param {string} scope of the Service Worker that calls */
  async #called(scope) {
    const registration = await navigator.serviceWorker.getRegistration(scope).catch(() => undefined); // no scope of this origin
    if (registration?.active) this.#connect(registration);
  }

  /**
   * A Service Worker that is slow to start may take the port at any time later.
   * @param {ServiceWorkerRegistration} registration
   * @returns {Way}
   */
  #connect(registration) {
    const { port1, port2 } = new MessageChannel();
    const worker = /** @type {ServiceWorker} */ (registration.active);
    this.#ways.get(registration.scope)?.link.end(); // of a Service Worker that is no more
    const way = { link: new Link(port1, this.#servings, () => this.tell(registration)), greeting: greeting(port1) };
    this.#ways.set(registration.scope, way);
    worker.postMessage({ nbdRange: version, page: this.page }, [port2]);
    return way;
  }

  /**
   * One that has a link keeps it: if it was started again since, it calls.
   * @param {ServiceWorkerRegistration} registration
   * @returns {Promise<void>} fulfils when the Service Worker has shown that it runs our script
   */
  async link(registration) {
    const { scope, active } = registration;
    const way = this.#ways.get(scope) ?? this.#connect(registration);
    try {
      await proven(way.greeting, /** @type {ServiceWorker} */ (active));
    } catch (error) {
      const now = this.#ways.get(scope);
      if (now && now !== way) return this.link(registration); // it was started again meanwhile, and called
      this.#ways.delete(scope);
      throw error;
    }
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
    for (const { link } of this.#ways.values()) link.end(serving);
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

/** @param {MessagePort} port @returns {Promise<number>} */
function greeting(port) {
  return new Promise((resolve) => port.addEventListener("message", ({ data }) => resolve(data.version), { once: true }));
}

/**
 * @param {Promise<number>} answer
 * @param {ServiceWorker} worker
 */
function proven(answer, { scriptURL }) {
  return /** @type {Promise<void>} */ (new Promise((resolve, reject) => {
    const refuse = (/** @type {string} */ what) => reject(new NbdError("WASM_LOAD", `The Service Worker ${scriptURL} ${what}`));
    const timer = setTimeout(() => refuse("does not answer. It must be, or import, the sw.js that comes with this package: importScripts(\"…/sw.js\")."), answerLimit);
    answer.then((theirs) => {
      clearTimeout(timer);
      if (theirs === version) resolve();
      else refuse("is of another version than the page. Close the other tabs of this site, and load this one again.");
    });
  }));
}

/** 128 bits, as 22 letters. */
function randomPart() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return btoa(String.fromCharCode(...bytes)).replace(/\+/g, "-").replace(/\//g, "_").replace(/=/g, "");
}
