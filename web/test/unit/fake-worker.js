// A Worker for Node that a test answers by hand, or with answerAll.
import { Buffer } from "node:buffer";
import { describe } from "../../client/errors.js";

/** Facts of a disk as the worker tells them. */
export const facts = {
  size: 1000,
  readOnly: false,
  exportName: "vda",
  description: "the first",
  blockSize: { minimum: 1, preferred: 4096, maximumPayload: 33554432 },
  features: { writable: true, flush: true, fua: true, trim: true, zero: true, cache: false, multipleConnections: true },
  tls: null,
};

export class FakeWorker {
  /** @type {FakeWorker[]} */ static made = [];
  /** What answers every call of workers made from now on. @type {Record<string, (...args: any[]) => any>} */ static answers = {};
  /** Gives each worker answers of its own instead. @type {(() => Record<string, (...args: any[]) => any>) | undefined} */ static serve;
  /** @type {any} */ onmessage;
  /** @type {any} */ onerror;
  /** @type {any} */ onmessageerror;
  /** @type {any[]} */ sent = [];
  terminated = 0;

  /** @param {...any} args */
  constructor(...args) {
    this.args = args;
    this.answers = FakeWorker.serve?.() ?? FakeWorker.answers;
    FakeWorker.made.push(this);
  }

  /** @param {any} message @param {any[]} transfer */
  postMessage(message, transfer) {
    const copy = structuredClone(message, { transfer });
    this.sent.push(copy);
    const answer = this.answers[copy.method];
    if (answer) queueMicrotask(() => this.#answer(copy, answer));
  }

  /** @param {any} call @param {(...args: any[]) => any} answer */
  async #answer({ id, args }, answer) {
    try {
      this.reply(id, await answer(...args));
    } catch (error) {
      this.fail(id, describe(error));
    }
  }

  /** What the worker tells by itself. @param {any} message */
  say(message) {
    this.onmessage({ data: message });
  }

  /** @param {number} id @param {any} result */
  reply(id, result) {
    if (!this.terminated) this.onmessage({ data: { id, result } });
  }

  /** @param {number} id @param {any} error */
  fail(id, error) {
    this.onmessage({ data: { id, error } });
  }

  /** The last message that called the method. @param {string} method */
  last(method) {
    return this.sent.findLast((m) => m.method === method);
  }

  terminate() {
    this.terminated++;
  }
}

/** Puts the fake in place; returns the last Worker made. */
export function install() {
  FakeWorker.made = [];
  FakeWorker.serve = undefined;
  FakeWorker.answers = { start: () => undefined, open: () => facts };
  /** @type {any} */ (globalThis).Worker = FakeWorker;
  return () => /** @type {FakeWorker} */ (FakeWorker.made.at(-1));
}

/** Lets everything run that can run now. */
export const settled = () => new Promise((resolve) => setImmediate(resolve));

/** @param {...number} numbers */
export const bytes = (...numbers) => Uint8Array.from(numbers);

export const pooled = () => Buffer.from("xhellox").subarray(1, 6);
