import { NbdError } from "../errors.js";
import { unsupported } from "./sharing.js";

/** Most that one request asks for, in bytes. */
const pieceSize = 1 << 20;

/** @typedef {import("./device.js").Channel} Channel */

/**
 * A URL that answers Range requests, asked by XMLHttpRequests that wait. It is
 * read-only.
 * @implements {Channel}
 */
export class Requests {
  #url;
  #timeout;
  pieceSize = pieceSize;

  /** @param {string | URL} url @param {number} timeout */
  constructor(url, timeout) {
    const scope = /** @type {any} */ (globalThis);
    if (typeof scope.XMLHttpRequest === "undefined" || scope.document) throw unsupported("This thread can't wait for a URL: only Workers of a page can. Call openSync there.");
    this.#url = String(url);
    this.#timeout = timeout;
    const size = this.#sizeOf(this.#ask("HEAD", {}));
    this.facts = { size, readOnly: true, blockSize: { minimum: 1, preferred: 4096, maximumPayload: pieceSize } };
  }

  /** @param {Uint8Array} into @param {number} offset */
  read(into, offset) {
    const last = offset + into.length - 1;
    const request = this.#ask("GET", { Range: `bytes=${offset}-${last}` });
    const range = `bytes ${offset}-${last}/${this.facts.size}`;
    const told = request.getResponseHeader("Content-Range");
    if (request.status !== 206 || told !== range || request.response.byteLength !== into.length) {
      throw this.#error("EIO", `was asked for "${range}" and answered ${request.status} with "${told}" and ${request.response?.byteLength} bytes. See that nothing changes what it answers, and open it again if the device is another one now`);
    }
    into.set(new Uint8Array(request.response));
  }

  write() { throw this.#error("READ_ONLY", "can only be read"); }
  trim() { this.write(); }
  flush() {}
  close() {}

  /** @param {XMLHttpRequest} request */
  #sizeOf(request) {
    const size = Number(request.getResponseHeader("Content-Length") ?? NaN);
    if (request.getResponseHeader("Accept-Ranges") === "bytes" && Number.isSafeInteger(size)) return size;
    throw this.#error("EIO", `does not serve ranges of bytes of something whose length it tells (status ${request.status}). Use a URL that serveViaServiceWorker gave`);
  }

  /**
   * @param {string} method
   * @param {Record<string, string>} fields
   */
  #ask(method, fields) {
    const request = new XMLHttpRequest();
    request.open(method, this.#url, false);
    request.responseType = "arraybuffer";
    request.timeout = this.#timeout;
    for (const [name, value] of Object.entries(fields)) request.setRequestHeader(name, value);
    this.#send(request);
    if (request.status < 200 || request.status > 299) throw this.#error("EIO", `answered ${request.status}. See that it is served, and open it again`);
    return request;
  }

  /** @param {XMLHttpRequest} request */
  #send(request) {
    try {
      request.send();
    } catch (/** @type {any} */ error) {
      if (error?.name === "TimeoutError") throw this.#error("TIMEOUT", `did not answer in ${this.#timeout} ms. Try again`, error);
      throw this.#error("DISCONNECTED", "can't be reached. See that it is still served", error);
    }
  }

  /** @param {import("../errors.js").NbdErrorCode} code @param {string} what @param {unknown} [cause] */
  #error(code, what, cause) {
    return new NbdError(code, `${this.#url} ${what}.`, {}, { cause });
  }
}
