// What a browser has around sw.js: a page that registers it, requests that come
// to it, and an end of it at any time.
import { readFileSync } from "node:fs";
import vm from "node:vm";

const source = readFileSync(new URL("../../client/range/sw.js", import.meta.url), "utf8");
const origin = "https://site.example";

/** Channels that hold no program up. @type {Set<FakeChannel>} */
const channels = new Set();

class FakeChannel {
  /** @type {((event: {data: unknown}) => void) | undefined} */ onmessage;
  /** @param {string} name */
  constructor(name) {
    this.name = name;
    channels.add(this);
  }

  /** @param {unknown} data */
  postMessage(data) {
    const message = structuredClone(data);
    for (const channel of channels) {
      if (channel !== this && channel.name === this.name) setTimeout(() => channel.onmessage?.({ data: message }));
    }
  }

  close() {
    channels.delete(this);
  }
}

/** An origin with one Service Worker, and the globals of its page until remove(). */
export class FakeSite {
  /** What was there before. @type {[string, PropertyDescriptor | undefined][]} */ #before = [];
  starts = 0;
  claimed = 0;
  /** Requests that no other listener gets. */ stopped = 0;
  pageLives = true;
  /** Whether the Service Worker has our script in it. */
  ours = true;
  /** @type {MessagePort[]} */ #ports = [];
  /** @type {Record<string, (event: any) => void> | undefined} */ #listeners;
  /** The one that the page belongs to, if it is another one. @type {any} */ best;

  /** @param {string} scope @param {string} page */
  constructor(scope = "/", page = "/app/index.html") {
    this.registration = {
      scope: origin + scope,
      active: { scriptURL: `${origin}/sw.js`, state: "activated", postMessage: (/** @type {any} */ data, /** @type {MessagePort[]} */ ports = []) => this.#message(data, ports) },
    };
    const serviceWorker = {
      register: async (/** @type {URL} */ script) => {
        if (script.pathname === "/missing.js") throw new TypeError("404");
        return this.registration;
      },
      getRegistration: async () => this.best ?? this.registration,
      controller: { scriptURL: `${origin}/sw.js` },
    };
    const document = { baseURI: new URL(page, origin).href, querySelector: () => ({}) };
    const globals = { location: new URL(page, origin), document, navigator: { serviceWorker }, BroadcastChannel: FakeChannel, isSecureContext: true };
    for (const [name, value] of Object.entries(globals)) {
      this.#before.push([name, Object.getOwnPropertyDescriptor(globalThis, name)]);
      Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
    }
  }

  remove() {
    this.kill();
    for (const [name, before] of this.#before) {
      if (before) Object.defineProperty(globalThis, name, before);
      else Reflect.deleteProperty(globalThis, name);
    }
  }

  /** Starts it, as an event does. */
  #running() {
    if (this.#listeners) return this.#listeners;
    this.starts++;
    /** @type {Record<string, (event: any) => void>} */ const listeners = this.#listeners = {};
    const scope = {
      addEventListener: (/** @type {string} */ type, /** @type {(event: any) => void} */ listener) => { listeners[type] = listener; },
      clients: { get: async () => this.pageLives ? {} : undefined, claim: async () => { this.claimed++; } },
      registration: { scope: this.registration.scope }, location: new URL(`${origin}/sw.js`), BroadcastChannel: FakeChannel,
      Response, ReadableStream, URL, TextEncoder, setTimeout: (/** @type {() => void} */ f, /** @type {number} */ ms) => setTimeout(f, ms).unref(), setInterval, clearInterval,
    };
    if (this.ours) vm.runInNewContext(source, scope);
    return listeners;
  }

  /** @param {unknown} data @param {MessagePort[]} ports */
  #message(data, ports) {
    this.#ports.push(...ports);
    this.#running().message?.({ data, ports, source: { id: "page" }, waitUntil: () => {} });
  }

  /** Ends it, as browsers do to one that is idle. */
  kill() {
    for (const port of this.#ports.splice(0)) port.close();
    this.#listeners = undefined;
  }

  /**
   * @param {string} url
   * @param {{method?: string, headers?: HeadersInit, destination?: string, signal?: AbortSignal}} [init]
   * @returns {Promise<Response> | undefined} undefined where it lets the request through
   */
  fetch(url, { method = "GET", headers = {}, destination = "", signal = new AbortController().signal } = {}) {
    /** @type {Promise<Response> | undefined} */ let response;
    const request = { url, method, headers: new Headers(headers), destination, signal };
    this.#running().fetch({ request, respondWith: (/** @type {Promise<Response>} */ given) => { response = given; }, waitUntil: () => {}, stopImmediatePropagation: () => { this.stopped++; } });
    return response;
  }
}
