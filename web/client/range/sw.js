// The Service Worker of nbdbridge/range and nbdbridge/save. It answers requests
// for the devices of pages, and no others; what it knows it gets from them, so
// it may end at any time. It is a classic script that stands alone: not every
// browser takes a module here, and one that has a Service Worker of its own
// imports this into it, with importScripts.
(() => {
  /** Of the messages between pages and this. */
  const version = 1;
  /** How long a page has to make itself known, in milliseconds. */
  const callLimit = 10_000;
  /** How often a page that owes an answer is looked for, in milliseconds. */
  const watchPause = 1000;
  /** For how long one message of a page keeps this awake, in milliseconds. */
  const wakeLimit = 90_000;
  /** URLs of ours: which page has the device, and which of its devices. */
  const ours = /\/~nbd-([\w-]{22})\.([\w-]{22})\//;
  /** What may be made of the bytes: nothing that runs. Navigations become downloads. */
  const destinations = ["", "document", "iframe", "audio", "image", "video"];
  const givenUp = "The request was given up.";
  const forwarded = ["range", "if-range", "if-match", "if-none-match"];
  const safety = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
  };

  const self = /** @type {ServiceWorkerGlobalScope} */ (/** @type {unknown} */ (globalThis));
  /** By page. @type {Map<string, Link>} */ const links = new Map();
  /** Who waits for a page. @type {Map<string, {promise: Promise<Link>, resolve: (link: Link) => void}>} */ const calls = new Map();

  /** What a page says of an answer. @typedef {{id: number, status?: number, headers?: Record<string, string>, bytes?: Uint8Array<ArrayBuffer>, more?: boolean, error?: string}} Part */

  class Failure extends Error {
    /** @param {number} status @param {string} message */
    constructor(status, message) {
      super(message);
      this.status = status;
    }
  }

  /** The way to one page. */
  class Link {
    /** @type {Map<number, {resolve: (part: Part) => void, reject: (error: Error) => void}>} */ #waiting = new Map();
    /** Answers under way, and what ends those that are bodies by now. @type {Map<number, (error: Error) => void>} */ #open = new Map();
    /** @type {Set<() => void>} */ #onQuiet = new Set();
    /** @type {ReturnType<typeof setInterval> | undefined} */ #watch;
    #lastId = 0;

    /** @param {string} page @param {string} client @param {MessagePort} port */
    constructor(page, client, port) {
      this.page = page;
      this.client = client;
      this.port = port;
      port.onmessage = ({ data }) => this.#receive(data);
    }

    /**
     * @param {string} serving
     * @param {Request} request
     * @returns {Promise<Response>}
     */
    async answer(serving, { method, headers, signal }) {
      if (signal.aborted) throw new Failure(502, givenUp);
      const id = ++this.#lastId;
      signal.addEventListener("abort", () => this.#cancel(id));
      this.#open.set(id, () => {});
      this.#watch ??= setInterval(() => this.#look(), watchPause);
      const fields = Object.fromEntries(forwarded.flatMap((name) => headers.has(name) ? [[name, headers.get(name)]] : []));
      const part = await this.#ask({ id, serving, method, fields });
      return respond(part, part.more ? this.#body(id, part.bytes) : part.bytes);
    }

    /** @param {number} id @param {Uint8Array<ArrayBuffer>} [first] */
    #body(id, first) {
      return new ReadableStream({
        start: (controller) => {
          controller.enqueue(first);
          this.#open.set(id, (error) => controller.error(error));
        },
        pull: async (controller) => {
          const { bytes, more } = await this.#ask({ id, pull: true });
          if (bytes) controller.enqueue(bytes);
          if (!more) controller.close();
        },
        cancel: () => this.#cancel(id),
      });
    }

    /** @param {{id: number} & Record<string, unknown>} message @returns {Promise<Part>} */
    #ask(message) {
      this.port.postMessage(message);
      return new Promise((resolve, reject) => this.#waiting.set(message.id, { resolve, reject }));
    }

    /** @param {number} id */
    #cancel(id) {
      if (!this.#open.has(id)) return;
      this.port.postMessage({ id, cancel: true });
      this.#receive({ id, error: givenUp });
    }

    /** @param {Part} part */
    #receive(part) {
      const waiting = this.#waiting.get(part.id);
      this.#waiting.delete(part.id);
      if (!part.more) this.#ended(part.id);
      if (part.error !== undefined) waiting?.reject(new Failure(part.status ?? 502, part.error));
      else waiting?.resolve(part);
    }

    /**
     * Pages end without a word. What they owe must not wait until this ends too:
     * Firefox takes that for the end of a body.
     */
    async #look() {
      if (await self.clients.get(this.client)) return;
      if (links.get(this.page) === this) links.delete(this.page);
      this.fail("The page that had the device has gone.");
    }

    /** @param {string} error what becomes of all that is under way */
    fail(error) {
      for (const [id, end] of [...this.#open]) {
        end(new Failure(404, error));
        this.#receive({ id, status: 404, error });
      }
    }

    /** @param {number} id */
    #ended(id) {
      this.#open.delete(id);
      if (this.#open.size > 0) return;
      clearInterval(this.#watch);
      this.#watch = undefined;
      for (const tell of this.#onQuiet) tell();
      this.#onQuiet.clear();
    }

    /** @returns {Promise<void>} fulfils when no answer is under way, or after wakeLimit */
    quiet() {
      if (this.#open.size === 0) return Promise.resolve();
      return new Promise((resolve) => {
        this.#onQuiet.add(resolve);
        setTimeout(() => (this.#onQuiet.delete(resolve), resolve()), wakeLimit);
      });
    }
  }

  /**
   * The way to a page. If there is none, because this has just started, the
   * pages are asked whose it is.
   * @param {string} page
   * @returns {Promise<Link>}
   */
  function linkTo(page) {
    const link = links.get(page);
    if (link) return Promise.resolve(link);
    const call = calls.get(page) ?? callPage(page);
    return call.promise;
  }

  /** @param {string} page */
  function callPage(page) {
    let resolve = (/** @type {Link} */ _) => {};
    const channel = new BroadcastChannel("nbdbridge-range");
    const promise = /** @type {Promise<Link>} */ (new Promise((found, reject) => {
      resolve = found;
      setTimeout(() => reject(new Failure(504, "No page has this device, or it does not answer. Serve the device again.")), callLimit);
    })).finally(() => {
      calls.delete(page);
      channel.close();
    });
    channel.postMessage({ page, scope: self.registration.scope });
    const call = { promise, resolve };
    calls.set(page, call);
    return call;
  }

  /**
   * @param {Part} part
   * @param {ReadableStream | Uint8Array<ArrayBuffer>} [body]
   */
  function respond({ status = 200, headers = {} }, body) {
    const type = /^multipart\/byteranges; boundary=[\w-]+$/.test(headers["Content-Type"]) ? headers["Content-Type"] : "application/octet-stream";
    return new Response(body, { status, headers: { ...headers, ...safety, "Content-Type": status < 400 ? type : "text/plain; charset=utf-8" } });
  }

  /** @param {number} status @param {string} message @param {Record<string, string>} [headers] */
  function refuse(status, message, headers) {
    return respond({ id: 0, status, headers }, new TextEncoder().encode(message));
  }

  /**
   * @param {Request} request
   * @param {string} page
   * @param {string} serving
   */
  async function answer(request, page, serving) {
    if (!destinations.includes(request.destination)) return refuse(403, "The bytes of a disk are no script, style or document.");
    if (request.method !== "GET" && request.method !== "HEAD") return refuse(405, "A device is read with GET and HEAD.", { Allow: "GET, HEAD" });
    try {
      return await (await linkTo(page)).answer(serving, request);
    } catch (/** @type {any} */ error) {
      return refuse(error.status ?? 500, error.message);
    }
  }

  self.addEventListener("fetch", (event) => {
    const { origin, pathname } = new URL(event.request.url);
    const [, page, serving] = (origin === self.location.origin && ours.exec(pathname)) || [];
    if (!page) return;
    event.stopImmediatePropagation(); // no listener of the site's own keeps the bytes
    const response = answer(event.request, page, serving);
    event.respondWith(response);
    event.waitUntil(response.then(() => links.get(page)?.quiet()));
  });

  // A page makes itself known with a port, keeps this awake without one, and
  // asks to be controlled.
  self.addEventListener("message", (event) => {
    const { nbdRange, page, claim } = event.data ?? {};
    if (!nbdRange) return;
    const [port] = event.ports;
    if (port) connect(page, /** @type {Client} */ (event.source).id, port);
    else if (!links.has(page)) linkTo(page).catch(() => {}); // it gave answers to one before this
    if (claim) event.waitUntil(self.clients.claim());
    event.waitUntil(links.get(page)?.quiet() ?? Promise.resolve());
  });

  /** @param {string} page @param {string} client @param {MessagePort} port */
  function connect(page, client, port) {
    const link = new Link(page, client, port);
    links.get(page)?.fail("The page has left.");
    links.set(page, link);
    port.postMessage({ version });
    calls.get(page)?.resolve(link);
  }
})();
