// Looks for bytes and texts on a disk.
import { byId, element } from "../../page/dom.js";
import { ProgressBar } from "../../page/progress.js";
import { grouped, humanSize } from "../../page/text.js";
import { titleOf } from "../overview/bar.js";
import { HitList, around, maxHits } from "./hits.js";
import { NeedleError, needleOf } from "./needles.js";

/** @typedef {import("../session.js").Session} Session */
/** @typedef {import("../inspector.js").Part} Part */

/** Parts that a search can be held to, in the list. */
const maxRanges = 128;

export class Search {
  #what = byId("needle", HTMLInputElement);
  #kind = byId("needle-kind", HTMLSelectElement);
  #ignoreCase = byId("ignore-case", HTMLInputElement);
  #skipHoles = byId("skip-holes", HTMLInputElement);
  #range = byId("search-range", HTMLSelectElement);
  #start = byId("search-start", HTMLButtonElement);
  #status = byId("search-status", HTMLElement);
  #progress = new ProgressBar();
  #hits;
  #cursor;
  #report;
  /** @type {Session | undefined} */ #session;
  /** By value of the choice. @type {Map<string, Part>} */ #parts = new Map();

  /**
   * @param {() => number} cursor where the view of bytes stands
   * @param {(what: string, error: unknown) => void} report
   */
  constructor(cursor, report) {
    this.#cursor = cursor;
    this.#report = report;
    this.#hits = new HitList((offset, length) => this.#session?.showBytes(offset, length));
    byId("search-progress", HTMLElement).replaceWith(this.#progress.element);
    byId("search-form", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
      this.#search();
    });
    this.#what.addEventListener("input", () => this.#what.setCustomValidity(""));
    this.#kind.addEventListener("change", () => this.#showKind());
    this.#showKind();
  }

  #showKind() {
    this.#what.setCustomValidity("");
    this.#ignoreCase.disabled = this.#kind.value === "hex";
    this.#what.placeholder = this.#kind.value === "hex" ? "55 aa" : "";
  }

  /** @param {Session} session */
  show(session) {
    this.#session = session;
    const parts = session.layout.parts.filter(({ kind, length }) => length > 0 && (kind === "partition" || kind === "unallocated"));
    this.#parts = new Map(parts.slice(0, maxRanges).map((part, i) => [`part-${i}`, part]));
    this.#range.replaceChildren(option("disk", "the whole disk"), option("cursor", "from the cursor on"),
      ...[...this.#parts].map(([value, part]) => option(value, `${titleOf(part)}, ${humanSize(part.length)}`)));
    this.#hits.begin();
    this.#status.textContent = "";
  }

  /** Holds the search to a part; it may be one that the list has no room for. @param {Part} part */
  choose(part) {
    const known = [...this.#parts].find(([, p]) => p.offset === part.offset && p.length === part.length);
    const value = known?.[0] ?? "part-other";
    if (!known) {
      this.#parts.set(value, part);
      this.#range.querySelector('[value="part-other"]')?.remove();
      this.#range.append(option(value, `${titleOf(part)}, ${humanSize(part.length)}`));
    }
    this.#range.value = value;
    this.#what.focus();
  }

  /** @returns {{offset: number, length: number}} */
  #chosenRange() {
    const size = this.#session?.device.size ?? 0;
    const part = this.#parts.get(this.#range.value);
    if (part) return { offset: part.offset, length: Math.min(part.length, size - part.offset) };
    const offset = this.#range.value === "cursor" ? this.#cursor() : 0;
    return { offset, length: size - offset };
  }

  #readNeedle() {
    try {
      return needleOf(this.#what.value, /** @type {import("./needles.js").NeedleKind} */ (this.#kind.value), this.#ignoreCase.checked);
    } catch (error) {
      if (!(error instanceof NeedleError)) throw error;
      this.#what.setCustomValidity(error.message);
      this.#what.reportValidity();
      return undefined;
    }
  }

  async #search() {
    const session = this.#session;
    const needle = this.#readNeedle();
    if (!session || !needle) return;
    const range = this.#chosenRange();
    this.#hits.begin();
    this.#status.textContent = "";
    this.#start.disabled = true;
    try {
      await this.#progress.run(`Searching ${humanSize(range.length)}`, (signal, onProgress) => this.#collect(session, { ...range, needles: [needle], signal, onProgress }));
      this.#tell(this.#hits.full ? `Stopped at ${grouped(maxHits)} hits; search a smaller range for the rest.` : "The search is done");
    } catch (error) {
      if (/** @type {any} */ (error)?.name === "AbortError") this.#tell("Stopped");
      else if (!session.signal.aborted) this.#report("The search has failed.", error);
    } finally {
      this.#start.disabled = false;
    }
  }

  /** @param {Session} session @param {import("../inspector.js").SearchOptions} options */
  async #collect(session, options) {
    for await (const hits of session.inspector.search({ ...options, context: around, skipHoles: this.#skipHoles.checked })) {
      options.signal?.throwIfAborted();
      this.#hits.add(hits);
      if (this.#hits.full) return;
    }
  }

  /** @param {string} end */
  #tell(end) {
    const { count } = this.#hits;
    this.#status.textContent = `${end}: ${count === 0 ? "no hits" : count === 1 ? "one hit" : `${grouped(count)} hits`}.`;
  }
}

/** @param {string} value @param {string} text */
function option(value, text) {
  const made = element("option", text);
  made.value = value;
  return made;
}
