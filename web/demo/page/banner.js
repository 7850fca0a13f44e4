// A state of the whole page, in a banner at its foot until it is over.
import { element } from "./dom.js";

/** @typedef {"info" | "warn" | "danger"} Kind */

/** Says what the colour says. @type {Record<Kind, string>} */
const SIGNS = { info: "i", warn: "!", danger: "✕" };

/**
 * A headline that is spoken when it changes, and below it what may change all
 * the time and is not.
 */
export class Banner {
  element = element("div");
  #sign = element("span", "", "sign");
  #spoken = element("p");
  #headline = element("strong");
  #detail = element("p");
  #why = element("details");
  #reason = element("p");

  /** @param {Kind} [kind] */
  constructor(kind = "warn") {
    this.element.className = `banner ${kind}`;
    this.#sign.textContent = SIGNS[kind];
    this.#sign.ariaHidden = "true";
    this.#spoken.role = "status"; // there from the start: what comes with its text may stay unspoken
    this.#spoken.append(this.#headline);
    this.#why.append(element("summary", "Why"), this.#reason);
    this.element.append(this.#sign, this.#spoken, this.#detail, this.#why);
    this.hide();
    document.body.append(this.element);
  }

  /**
   * @param {string} headline
   * @param {string} [detail]
   * @param {string} [reason] long or technical, and folded away
   */
  show(headline, detail = "", reason = "") {
    this.element.classList.remove("idle");
    put(this.#headline, headline);
    put(this.#detail, detail);
    put(this.#reason, reason);
    this.#why.hidden = !reason;
  }

  hide() {
    this.element.classList.add("idle");
    this.#why.open = false;
    this.#why.hidden = true;
    for (const part of [this.#headline, this.#detail, this.#reason]) put(part, "");
  }

  remove() {
    this.element.remove();
  }
}

/**
 * Leaves what is the same alone: it may be heard, or selected.
 * @param {HTMLElement} part
 * @param {string} text
 */
function put(part, text) {
  if (part.textContent !== text) part.textContent = text;
}
