import { NbdError } from "./errors.js";
import { Counter, letExit } from "./stats.js";

/** After how long without a sign of life a disk is stalled, in milliseconds. */
const patience = 5000;

/**
 * Follows the requests and the outages of all connections of a disk, and tells
 * of them as if there were one.
 */
export class Pulse {
  #events;
  #counter;
  #waiting = 0;
  /** When the last answer came, or the first request that waits was made. */ #heard = 0;
  /** Connections that were lost. @type {Set<unknown>} */ #down = new Set();
  /** When the first of them was. */ #lost = 0;
  /** Of the outage. */ #attempt = 0;
  /** Since when, once it has been told. @type {number | undefined} */ #stalled;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #timer;
  #ended = false;

  /** @param {import("./events.js").Events<import("./events.js").DiskEvents>} events */
  constructor(events) {
    this.#events = events;
    this.#counter = new Counter(() => events.heard("stats") && events.emit("stats", this.stats()));
  }

  stats() { return this.#counter.stats(); }

  /** @param {unknown} connection @returns {boolean} */
  isDown(connection) { return this.#down.has(connection); }

  /**
   * Counts a request and waits for its answer.
   * @template T
   * @param {Promise<T>} request
   * @param {AbortSignal | undefined} signal
   * @returns {Promise<T>}
   */
  async follow(request, signal) {
    const begun = performance.now();
    if (this.#waiting++ === 0) this.#heard = Date.now();
    this.#counter.add({ inFlight: 1 });
    this.#watch();
    /** @type {unknown} */ let answer;
    try {
      return answer = await request;
    } finally {
      this.#waiting--;
      this.#counter.add({ inFlight: -1 });
      if (answer !== false && !signal?.aborted) this.#answered(performance.now() - begun); // a check that none came to is false
      this.#calm();
    }
  }

  /** @param {{bytesRead?: number, bytesWritten?: number}} bytes */
  moved(bytes) { this.#counter.add(bytes); }

  /** @param {number} latency in milliseconds */
  #answered(latency) {
    this.#counter.answered(latency);
    this.#heard = Date.now();
  }

  /**
   * @param {unknown} connection whose report it is
   * @param {import("./rpc.js").EventKind} kind
   * @param {import("./rpc.js").EventDetail} detail
   */
  report(connection, kind, detail) {
    if (kind === "lost") this.#onLost(connection);
    if (kind === "retrying") this.#onRetry(detail);
    if (kind === "connected") this.#onConnected(connection);
  }

  /** @param {unknown} connection */
  #onLost(connection) {
    if (this.#down.size === 0) [this.#lost, this.#attempt] = [Date.now(), 0];
    this.#down.add(connection);
    this.#watch();
  }

  /** Connections that are lost together are told of once. @param {import("./rpc.js").EventDetail} detail */
  #onRetry({ attempt = 0, delay = 0, cause }) {
    if (attempt <= this.#attempt || !cause) return;
    this.#attempt = attempt;
    this.#events.emit("reconnecting", { attempt, delay, cause: NbdError.from(cause) });
  }

  /** @param {unknown} connection */
  #onConnected(connection) {
    if (!this.#down.delete(connection)) return;
    this.#counter.add({ reconnects: 1 });
    if (this.#down.size > 0) return;
    this.#heard = Date.now();
    this.#events.emit("reconnected", { after: this.#heard - this.#lost });
    this.#calm();
  }

  /** Since when there is no sign of life, if one is due. @returns {number | undefined} */
  #silentSince() {
    if (this.#down.size > 0) return this.#waiting > 0 ? Math.min(this.#lost, this.#heard) : this.#lost;
    return this.#waiting > 0 ? this.#heard : undefined;
  }

  /** One timer does, however many requests there are: it looks at the time. */
  #watch() {
    const since = this.#silentSince();
    if (since === undefined || this.#ended || this.#timer || this.#stalled !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#look();
    }, Math.max(since + patience - Date.now(), 0));
    letExit(this.#timer);
  }

  #look() {
    const since = this.#silentSince();
    if (since === undefined || Date.now() - since < patience) return this.#watch();
    this.#stalled = since;
    this.#events.emit("stalled", { since });
  }

  /** Ends a stall if there is a sign of life, or none is due any more. */
  #calm() {
    if (this.#stalled === undefined || this.#ended || this.#down.size > 0) return;
    if (this.#waiting > 0 && this.#heard <= this.#stalled) return;
    const after = Date.now() - this.#stalled;
    this.#stalled = undefined;
    this.#events.emit("resumed", { after });
    this.#watch();
  }

  /** Tells nothing any more. */
  end() {
    this.#ended = true;
    clearTimeout(this.#timer);
    this.#counter.end();
  }
}
