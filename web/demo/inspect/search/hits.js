// The hits of a search: a page of them at a time, so that many cost nothing.
import { button, byId, element } from "../../page/dom.js";
import { grouped } from "../../page/text.js";
import { hexOffset } from "../bytes/position.js";

/** @typedef {import("../inspector.js").Hit} Hit */

/** Hits that are kept at most. */
export const maxHits = 10_000;
/** Hits that are in sight at once. */
const pageSize = 50;
/** Bytes of a hit that are shown. */
const shownBytes = 32;
/** Bytes that are shown before and after a hit. */
export const around = 8;

export class HitList {
  #body = byId("hits-body", HTMLTableSectionElement);
  #note = byId("hits-note", HTMLElement);
  #pages = byId("hits-pages", HTMLElement);
  #previous = byId("hits-previous", HTMLButtonElement);
  #next = byId("hits-next", HTMLButtonElement);
  #onChoose;
  /** @type {Hit[]} */ #hits = [];
  #page = 0;

  /** @param {(offset: number, length: number) => void} onChoose */
  constructor(onChoose) {
    this.#onChoose = onChoose;
    this.#previous.addEventListener("click", () => this.#turn(-1));
    this.#next.addEventListener("click", () => this.#turn(1));
  }

  get full() {
    return this.#hits.length >= maxHits;
  }

  get count() {
    return this.#hits.length;
  }

  begin() {
    this.#hits = [];
    this.#page = 0;
    this.#draw();
  }

  /** @param {readonly Hit[]} hits */
  add(hits) {
    const before = this.#hits.length;
    for (const hit of hits.slice(0, maxHits - before)) this.#hits.push(hit);
    if (this.#hits.length === before) return;
    if (before < (this.#page + 1) * pageSize) this.#draw();
    else this.#tell();
  }

  /** @param {number} step */
  #turn(step) {
    this.#page += step;
    this.#draw();
    this.#body.querySelector("button")?.focus();
  }

  #draw() {
    const from = this.#page * pageSize;
    this.#body.replaceChildren(...this.#hits.slice(from, from + pageSize).map((hit) => this.#row(hit)));
    this.#tell();
  }

  #tell() {
    const { length } = this.#hits;
    const from = this.#page * pageSize;
    this.#pages.hidden = length <= pageSize;
    this.#previous.disabled = this.#page === 0;
    this.#next.disabled = from + pageSize >= length;
    this.#note.textContent = length === 0 ? "" : `Hits ${grouped(from + 1)} to ${grouped(Math.min(length, from + pageSize))} of ${grouped(length)}`;
  }

  /** @param {Hit} hit */
  #row(hit) {
    const row = element("tr");
    const place = element("th");
    place.scope = "row";
    const go = button(`0x${hexOffset(hit.offset, 8)}`, () => this.#onChoose(hit.offset, hit.length));
    go.className = "link code";
    place.append(go);
    row.append(place, element("td", hit.encoding?.toUpperCase() ?? "bytes"), context(hit, hexText), context(hit, plainText));
    return row;
  }
}

/**
 * What is around a hit, with the hit itself marked.
 * @param {Hit} hit
 * @param {(bytes: Uint8Array) => string} form
 */
function context({ bytes, before, length }, form) {
  const cell = element("td", "", "code context");
  const end = before + length;
  const shown = Math.min(length, shownBytes);
  cell.append(form(bytes.subarray(Math.max(0, before - around), before)), element("mark", form(bytes.subarray(before, before + shown))),
    shown < length ? "…" : form(bytes.subarray(end, end + around)));
  return cell;
}

/** @param {Uint8Array} bytes */
function hexText(bytes) {
  return Array.from(bytes, (b) => ` ${b.toString(16).padStart(2, "0")}`).join("");
}

/** @param {Uint8Array} bytes */
function plainText(bytes) {
  return Array.from(bytes, (b) => b >= 0x20 && b < 0x7f ? String.fromCharCode(b) : ".").join("");
}
