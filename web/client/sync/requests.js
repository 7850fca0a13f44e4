import { NbdError, codes } from "../errors.js";
import { unsupported } from "./sharing.js";

/** Most that one request asks for, in bytes. */
const pieceSize = 1 << 20;
/** Bytes of an answer that go into a message. */
const longestText = 500;

/** @typedef {import("./device.js").Channel} Channel */

/**
 * A URL that answers Range requests, asked by XMLHttpRequests that wait. It is
 * read-only.
 * @implements {Channel}
 */
export class Requests {
  #url;
  #timeout;
  /** What has a request fail when the content is another one. @type {Record<string, string>} */ #same;
  pieceSize = pieceSize;

  /** @param {string | URL} url @param {number} timeout */
  constructor(url, timeout) {
    const scope = /** @type {any} */ (globalThis);
    if (typeof scope.XMLHttpRequest === "undefined" || scope.document) throw unsupported("This thread can't wait for a URL: only Workers of a page can. Call openSync there.");
    this.#url = String(url);
    this.#timeout = timeout;
    const head = this.#ask("HEAD", {});
    this.#same = sameAs(head.getResponseHeader("ETag"));
    this.facts = { size: this.#sizeOf(head), readOnly: true, blockSize: { minimum: 1, preferred: 4096, maximumPayload: pieceSize } };
  }

  /** @param {Uint8Array} into @param {number} offset */
  read(into, offset) {
    const last = offset + into.length - 1;
    const request = this.#ask("GET", { ...this.#same, Range: `bytes=${offset}-${last}` });
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
    if (request.status === 412) throw this.#error("IDENTITY", "is now another device. Open it again");
    if (request.status < 200 || request.status > 299) throw this.#refused(request);
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

  /** The device's own failure comes as text, its code first. @param {XMLHttpRequest} request */
  #refused({ status, response }) {
    const text = new TextDecoder().decode(new Uint8Array(response ?? 0).subarray(0, longestText));
    const [, code, message] = /^([A-Z_]+): (.*)$/s.exec(text) ?? [];
    if (codes.includes(/** @type {any} */ (code))) return new NbdError(/** @type {any} */ (code), message);
    return this.#error("EIO", `answered ${status}${text && ` (${text.replace(/\.$/, "")})`}. See that it is still served, and was when this Worker started; then open it again`);
  }

  /** @param {import("../errors.js").NbdErrorCode} code @param {string} what @param {unknown} [cause] */
  #error(code, what, cause) {
    return new NbdError(code, `${this.#url} ${what}.`, {}, { cause });
  }
}

/** If-Match fails for every weak one. @param {string | null} etag @returns {Record<string, string>} */
function sameAs(etag) {
  return etag?.startsWith('"') ? { "If-Match": etag } : {};
}
