// The hits of a search: a page of them at a time, so that many cost nothing.
import { button, byId, element } from "../../page/dom.js";
import { grouped, visible } from "../../page/text.js";
import { hexOffset } from "../bytes/position.js";

/** @typedef {import("../inspector.js").Hit} Hit */

/** Hits that are kept at most. */
export const maxHits = 10_000;
/** Hits that are in sight at once. */
const pageSize = 50;
/** Keywords that are named with how often they were found. */
const maxNamed = 50;
/** Bytes of a hit that are shown. */
const shownBytes = 32;
/** Bytes that are shown before and after a hit, and those that are there to be saved. */
const around = 8;
export const context = 32;

export class HitList {
  #body = byId("hits-body", HTMLTableSectionElement);
  #note = byId("hits-note", HTMLElement);
  #actions = byId("hits-actions", HTMLElement);
  #keyword = byId("hits-keyword", HTMLElement);
  #counts = byId("hits-keywords", HTMLElement);
  #previous = byId("hits-previous", HTMLButtonElement);
  #next = byId("hits-next", HTMLButtonElement);
  #onChoose;
  /** @type {Hit[]} */ #hits = [];
  /** What was searched for, by the index of a needle. @type {readonly string[]} */ #keywords = [];
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

  /** What there is, to be saved. */
  get found() {
    return { hits: this.#hits, keywords: this.#keywords };
  }

  /** @param {readonly string[]} [keywords] by the index of their needles */
  begin(keywords = []) {
    this.#hits = [];
    this.#keywords = keywords;
    this.#keyword.hidden = keywords.length <= 1;
    this.#counts.textContent = "";
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

  /** Says how often each keyword was found, once the search has ended. */
  sum() {
    if (this.#keywords.length > 1) this.#counts.textContent = countsOf(this.#hits, this.#keywords);
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
    this.#actions.hidden = length === 0;
    this.#previous.hidden = this.#next.hidden = length <= pageSize;
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
    row.append(place);
    if (this.#keywords.length > 1) row.append(element("td", visible(this.#keywords[hit.needle] ?? ""), "foreign keyword"));
    row.append(element("td", hit.encoding?.toUpperCase() ?? "bytes", "encoding"), contextCell(hit, hexText), contextCell(hit, plainText));
    return row;
  }
}

/**
 * Such as "Ada 3, Grace 1. Not found: 4 of 6 keywords."
 * @param {readonly Hit[]} hits
 * @param {readonly string[]} keywords
 */
export function countsOf(hits, keywords) {
  /** @type {number[]} */ const counts = keywords.map(() => 0);
  for (const { needle } of hits) counts[needle]++;
  const found = [...counts.entries()].filter(([, count]) => count > 0).sort(([, a], [, b]) => b - a);
  const named = found.slice(0, maxNamed).map(([i, count]) => `${visible(keywords[i])} ${grouped(count)}`);
  if (found.length > maxNamed) named.push(`and ${grouped(found.length - maxNamed)} more`);
  const missing = keywords.length - found.length;
  return `${named.length ? `${named.join(", ")}. ` : ""}${missing ? `Not found: ${grouped(missing)} of ${grouped(keywords.length)} keywords.` : ""}`.trim();
}

/**
 * What is around a hit, with the hit itself marked.
 * @param {Hit} hit
 * @param {(bytes: Uint8Array) => string} form
 */
function contextCell({ bytes, before, length }, form) {
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

/** ASCII, and a full stop for all else. @param {Uint8Array} bytes */
export function plainText(bytes) {
  return Array.from(bytes, (b) => b >= 0x20 && b < 0x7f ? String.fromCharCode(b) : ".").join("");
}
