// A state of the whole page, in a banner at its foot until it is over.
import { element } from "./dom.js";

/** @typedef {"info" | "warn" | "danger"} Kind */

/** Says what the colour says. @type {Record<Kind, string>} */
const SIGNS = { info: "i", warn: "!", danger: "✕" };

/**
 * A headline that is spoken when it changes, and below it a detail that may
 * change all the time and is not.
 */
export class Banner {
  element = element("div");
  #sign = element("span", "", "sign");
  #spoken = element("p");
  #headline = element("strong");
  #detail = element("p");

  /** @param {Kind} [kind] */
  constructor(kind = "warn") {
    this.element.className = `banner ${kind}`;
    this.#sign.textContent = SIGNS[kind];
    this.#sign.ariaHidden = "true";
    this.#spoken.role = "status"; // there from the start: what comes with its text may stay unspoken
    this.#spoken.append(this.#headline);
    this.element.append(this.#sign, this.#spoken, this.#detail);
    this.hide();
    document.body.append(this.element);
  }

  /**
   * @param {string} headline
   * @param {string} [detail]
   */
  show(headline, detail = "") {
    this.element.classList.remove("idle");
    if (this.#headline.textContent !== headline) this.#headline.textContent = headline;
    this.#detail.textContent = detail;
  }

  hide() {
    this.element.classList.add("idle");
    this.#headline.textContent = this.#detail.textContent = "";
  }

  remove() {
    this.element.remove();
  }
}
