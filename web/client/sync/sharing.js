import { NbdError } from "../errors.js";
import { dataLength, done, ended, newMemory, over, partsOf, pieceSize, state, takeText, waiting } from "../handle/memory.js";

/** @typedef {import("./device.js").Channel} Channel */

/**
 * A handle, asked by messages and answered in shared memory.
 * @implements {Channel}
 */
export class Sharing {
  #port;
  #timeout;
  #parts;
  #lastId = 0;
  pieceSize = pieceSize;

  /**
   * Waits without blocking the thread: until it has got a message, a port that
   * has just come to this thread sends nothing in Firefox while the thread waits.
   * @param {MessagePort} port
   * @param {number} timeout
   * @returns {Promise<Sharing>}
   */
  static async open(port, timeout) {
    checkThread();
    return new Sharing(port, await firstFacts(port, timeout), timeout);
  }

  /** @param {MessagePort} port @param {Channel["facts"]} facts @param {number} timeout */
  constructor(port, facts, timeout) {
    this.#port = port;
    this.#timeout = timeout;
    this.facts = facts;
    this.#parts = this.#share();
  }

  /** @param {Uint8Array} into @param {number} offset */
  read(into, offset) {
    this.#call("read", [offset, into.length], `read ${into.length} bytes at ${offset}`);
    const { header, data } = this.#parts;
    into.set(data.subarray(0, header[dataLength]));
  }

  /** @param {Uint8Array} bytes @param {number} offset */
  write(bytes, offset) {
    this.#parts.data.set(bytes);
    this.#call("write", [offset, bytes.length], `write ${bytes.length} bytes at ${offset}`);
  }

  flush() {
    this.#call("flush", [], "flush");
  }

  /** @param {number} offset @param {number} length */
  trim(offset, length) {
    this.#call("trim", [offset, length], `trim ${length} bytes at ${offset}`);
  }

  close() {
    this.#port.postMessage({ close: true });
    this.#port.close();
  }

  /** Gives the other side memory for the answers to come. */
  #share() {
    const memory = newMemory();
    this.#port.postMessage({ memory });
    return partsOf(memory);
  }

  /**
   * @param {string} method
   * @param {any[]} args
   * @param {string} what was to be done
   */
  #call(method, args, what) {
    const { header, text, farewell } = this.#parts, id = ++this.#lastId;
    Atomics.store(header, state, waiting);
    if (Atomics.load(header, ended)) throw NbdError.from(takeText(farewell)); // looked for after the store: what ends later changes the state
    this.#port.postMessage({ id, blocking: method, args });
    if (Atomics.wait(header, state, waiting, this.#timeout) === "timed-out") this.#giveUp(id, what);
    const came = Atomics.load(header, state);
    if (came !== done) throw NbdError.from(takeText(came === over ? farewell : text));
  }

  /** An answer that comes too late comes into memory that nobody uses. @param {number} id @param {string} what @returns {never} */
  #giveUp(id, what) {
    this.#port.postMessage({ abort: id });
    this.#parts = this.#share();
    throw late(what, this.#timeout);
  }
}

/**
 * What the other side tells first, by itself.
 * @param {MessagePort} port
 * @param {number} timeout
 * @returns {Promise<Channel["facts"]>}
 */
function firstFacts(port, timeout) {
  /** @type {Promise<Channel["facts"]>} */
  const told = new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(late("open the device", timeout)), timeout);
    port.onmessage = ({ data }) => (clearTimeout(timer), resolve(data.facts));
  });
  return told.finally(() => { port.onmessage = null; });
}

/** @param {string} what @param {number} timeout */
function late(what, timeout) {
  return new NbdError("TIMEOUT", `To ${what} took longer than ${timeout} ms. If the thread that holds the device has ended, open the device again and make a new handle; if it is busy, try again.`);
}

/** Tells why this thread can't do it. */
function checkThread() {
  if (typeof SharedArrayBuffer === "undefined" || /** @type {any} */ (globalThis).crossOriginIsolated === false) {
    throw unsupported("This page is not cross-origin isolated, so that threads can't share memory. Serve the page and its Workers with Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp, or give openSync a {url} of serveViaServiceWorker.");
  }
  try {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 0);
  } catch (error) {
    throw unsupported("This thread must not wait: no page's own thread may, nor a Service Worker. Transfer the handle to a Worker and call openSync there.", error);
  }
}

/** @param {string} message @param {unknown} [cause] */
export function unsupported(message, cause) {
  return new NbdError("ENOTSUP", message, {}, { stage: "client", cause });
}
