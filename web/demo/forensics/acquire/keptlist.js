// The list of what this browser keeps.
import { button, byId, element } from "../../page/dom.js";
import { humanSize, visible } from "../../page/text.js";
import { listKept } from "./store.js";

/** @typedef {import("./store.js").Listed} Listed */
/** @typedef {import("./store.js").About} About */

/**
 * @typedef {object} Doing
 * @property {(listed: Listed & {about: About}) => void} open
 * @property {(listed: Listed) => void} discard
 */

export class KeptList {
  #box = byId("kept-list", HTMLElement);
  #rows = byId("kept-rows", HTMLUListElement);
  #doing;
  #asked = 0;

  /** @param {Doing} doing */
  constructor(doing) {
    this.#doing = doing;
  }

  /**
   * Looks again.
   * @param {string} [own] the one that this page has open
   * @param {boolean} [busy] whether that one is busy, so that no other can be opened
   */
  async refresh(own, busy = false) {
    const asked = ++this.#asked;
    const all = await listKept().catch(() => []); // there is no storage, and then nothing in it
    if (asked !== this.#asked) return;
    const others = all.filter(({ id }) => id !== own);
    this.#box.hidden = others.length === 0;
    this.#rows.replaceChildren(...others.map((listed) => this.#row(listed, busy)));
  }

  /** @param {Listed} listed @param {boolean} busy */
  #row(listed, busy) {
    const { about, inUse } = listed;
    const words = element("div");
    words.append(element("p", about ? visible(about.name) : "An acquisition whose page ended when it had hardly begun", "name"), element("p", wordsOf(listed), "hint foreign"));
    const actions = element("div", "", "actions small");
    if (about) actions.append(named(button(about.status === "complete" ? "Open" : "Go on", () => this.#doing.open({ ...listed, about })), about, inUse || busy));
    actions.append(named(button("Discard…", () => this.#doing.discard(listed)), about, inUse));
    const row = element("li");
    row.append(words, actions);
    return row;
  }
}

/** @param {HTMLButtonElement} made @param {About | undefined} about @param {boolean} disabled */
function named(made, about, disabled) {
  made.setAttribute("aria-label", `${made.textContent} ${about ? visible(about.name) : ""}`);
  made.disabled = disabled;
  return made;
}

/** @param {Listed} listed */
function wordsOf({ about, bytes, inUse }) {
  if (!about) return `${humanSize(bytes)} here.`;
  const { exportName, length, done, status, started, saved } = about;
  const state = inUse ? "open in another tab" : status === "complete" ? `complete, ${saved ? "saved" : "not saved yet"}` : `${percent(done, length)} done`;
  return [`Export ${exportName ? `“${visible(exportName)}”` : "without a name"}`, humanSize(length), `begun ${new Date(started).toISOString().slice(0, 16).replace("T", " ")} UTC`, `${humanSize(bytes)} here`, state].join(", ");
}

/** @param {number} done @param {number} length */
function percent(done, length) {
  return `${length === 0 ? 100 : Math.floor(100 * done / length)} %`;
}
