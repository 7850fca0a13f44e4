import { failure } from "./answer.js";

/** @typedef {import("./answer.js").Answer} Answer */
/** @typedef {import("./answer.js").Question} Question */
/** @typedef {Uint8Array<ArrayBuffer>} Bytes */

/**
 * Answers a request; the signal aborts when nobody waits any more.
 * @typedef {(question: Question, signal: AbortSignal) => Answer} Answerer
 */

/**
 * What sw.js says: a request, or that it wants more of an answer, or no more.
 * @typedef {{id: number} & ({serving: string} & Question | {pull: true} | {cancel: true})} Message
 */

/** How often a Service Worker with answers under way is kept awake, in milliseconds. */
const wakePause = 10_000;

const ended = { status: 404, error: "The device is served no longer." };

/** An answer that is on its way. */
class Reply {
  #chunks;
  #left;
  #controller;

  /**
   * @param {Answer} answer
   * @param {AbortController} controller
   */
  constructor({ body, length = Infinity }, controller) {
    this.#chunks = body?.[Symbol.asyncIterator]();
    this.#left = body ? length : 0;
    this.#controller = controller;
  }

  /** @returns {Promise<{bytes?: Bytes, more: boolean}>} */
  async next() {
    if (this.#left === 0) return { more: false };
    const { value, done } = await /** @type {AsyncIterator<Bytes>} */ (this.#chunks).next();
    if (done) return { more: false };
    this.#left -= value.length;
    return { bytes: value, more: this.#left > 0 };
  }

  cancel() {
    this.#controller.abort(new DOMException("The request was given up.", "AbortError"));
    this.#chunks?.return?.()?.catch(() => {}); // it was told by the signal
  }
}

/** The way to one Service Worker. */
export class Link {
  /** @type {Map<number, {serving: string, reply: Reply}>} */ #replies = new Map();
  #port;
  #servings;
  #wake;
  /** @type {ReturnType<typeof setInterval> | undefined} */ #timer;

  /**
   * @param {MessagePort} port
   * @param {Map<string, Answerer>} servings
   * @param {() => void} wake tells the Service Worker to stay
   */
  constructor(port, servings, wake) {
    this.#port = port;
    this.#servings = servings;
    this.#wake = wake;
    port.onmessage = ({ data }) => this.#receive(data);
  }

  /** @param {Message} message */
  #receive(message) {
    if ("cancel" in message) return this.#drop(message.id);
    if ("pull" in message) return void this.#send(message.id, {});
    if ("serving" in message) return void this.#begin(message);
  }

  /** @param {{id: number, serving: string} & Question} message */
  #begin({ id, serving, ...question }) {
    const answerer = this.#servings.get(serving);
    if (!answerer) return this.#post({ id, ...ended });
    const controller = new AbortController();
    const answer = answerer(question, controller.signal);
    this.#replies.set(id, { serving, reply: new Reply(answer, controller) });
    this.#timer ??= setInterval(this.#wake, wakePause);
    return this.#send(id, { status: answer.status, headers: answer.headers });
  }

  /** Sends the next part of an answer. @param {number} id @param {{status?: number, headers?: Record<string, string>}} head */
  async #send(id, head) {
    const reply = this.#replies.get(id)?.reply;
    if (!reply) return this.#post({ id, ...ended });
    try {
      const part = await reply.next();
      if (!part.more) this.#forget(id);
      this.#post({ id, ...head, ...part }, part.bytes ? [part.bytes.buffer] : []);
    } catch (error) {
      this.#forget(id);
      const { status, message } = failure(error);
      this.#post({ id, status, error: message });
    }
  }

  /** @param {object} message @param {Transferable[]} [transfer] */
  #post(message, transfer = []) {
    this.#port.postMessage(message, transfer);
  }

  /** @param {number} id */
  #drop(id) {
    this.#replies.get(id)?.reply.cancel();
    this.#forget(id);
  }

  /** @param {number} id */
  #forget(id) {
    this.#replies.delete(id);
    if (this.#replies.size) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /**
   * Ends what is under way of one serving, or everything.
   * @param {string} [only]
   */
  end(only) {
    for (const [id, { serving }] of this.#replies) {
      if (only === undefined || only === serving) this.#drop(id);
    }
    if (only === undefined) this.#port.close();
  }
}
