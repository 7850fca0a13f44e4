import { checkDevice, clamp } from "../checks.js";
import { invalid } from "../errors.js";
import { check } from "../options.js";
import { readableOf } from "./readable.js";

/** @typedef {import("../device.js").BlockDevice} BlockDevice */

const rules = { type: (/** @type {unknown} */ v) => typeof v === "string" };

/**
 * A device with all that a Blob has. It is none of the browser's, so what asks
 * `instanceof Blob`, or is part of the browser, refuses it.
 * @param {BlockDevice} device
 * @param {{type?: string}} [options] the media type, by default ""
 * @returns {BlobLike}
 */
export function asBlobLike(device, options = {}) {
  const { size } = checkDevice(device);
  const { type = "" } = check(options, rules);
  return new BlobLike(device, 0, size, type);
}

/** What a Blob has, over a range of a device. Every promise rejects as reads of the device do. */
export class BlobLike {
  #device;
  #start;
  #size;
  #type;

  /** @param {BlockDevice} device @param {number} start @param {number} size @param {string} type */
  constructor(device, start, size, type) {
    this.#device = device;
    this.#start = start;
    this.#size = size;
    this.#type = /[^ -~]/.test(type) ? "" : type.toLowerCase();
  }

  /** In bytes. */
  get size() { return this.#size; }
  get type() { return this.#type; }
  /** What some libraries know a Blob by. */
  get [Symbol.toStringTag]() { return "Blob"; }

  /**
   * A part, of which nothing is read yet. Negative indexes count from the end,
   * and both are clamped.
   * @param {number} [start]
   * @param {number} [end]
   * @param {string} [type]
   */
  slice(start = 0, end = this.#size, type = "") {
    const from = clamp(start, this.#size);
    return new BlobLike(this.#device, this.#start + from, Math.max(clamp(end, this.#size) - from, 0), String(type));
  }

  /** @returns {ReadableStream<Uint8Array<ArrayBuffer>>} as readableOf gives it */
  stream() {
    return readableOf(this.#device, { offset: this.#start, length: this.#size });
  }

  /** @returns {Promise<Uint8Array<ArrayBuffer>>} */
  bytes() {
    return this.#device.read(this.#start, this.#size);
  }

  /** @returns {Promise<ArrayBuffer>} */
  async arrayBuffer() {
    return (await this.bytes()).buffer;
  }

  /** Decodes UTF-8. @returns {Promise<string>} */
  async text() {
    return new TextDecoder().decode(await this.bytes());
  }

  /**
   * Where the browser wants a Blob and gets an object it goes on with its
   * text, and would send, or keep, that in place of the content.
   * @returns {string}
   */
  toString() {
    throw invalid("A view of a device is no Blob of the browser: give stream() to a Response, or make a Blob of its arrayBuffer().");
  }
}
