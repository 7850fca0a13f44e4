// Looks for bytes and texts on a disk.
import { byId, element } from "../../page/dom.js";
import { ProgressBar } from "../../page/progress.js";
import { grouped, humanSize } from "../../page/text.js";
import { saveAs } from "../../../client/save/index.js";
import { titleOf } from "../overview/bar.js";
import { csvOf } from "./csv.js";
import { HitList, context, maxHits } from "./hits.js";
import { KeywordField } from "./keywordfield.js";
import { checkCount } from "./keywords.js";
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
  #list = new KeywordField();
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
    byId("hits-save", HTMLButtonElement).addEventListener("click", () => { this.#save(); });
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

  /** What is in the field and in the list. @returns {import("./keywords.js").Keyword[] | undefined} nothing if it can't be meant */
  #readKeywords() {
    const kind = /** @type {import("./needles.js").NeedleKind} */ (this.#kind.value), ignoreCase = this.#ignoreCase.checked;
    const listed = this.#list.read(kind, ignoreCase);
    if (!listed) return undefined;
    try {
      const label = this.#what.value;
      const keywords = label === "" && listed.length > 0 ? listed : [{ label, needle: needleOf(label, kind, ignoreCase) }, ...listed];
      checkCount(keywords);
      return keywords;
    } catch (error) {
      if (!(error instanceof NeedleError)) throw error;
      this.#what.setCustomValidity(error.message);
      this.#what.reportValidity();
      return undefined;
    }
  }

  async #search() {
    const session = this.#session;
    const keywords = this.#readKeywords();
    if (!session || !keywords) return;
    const range = this.#chosenRange();
    const needles = keywords.map(({ needle }) => needle);
    this.#hits.begin(keywords.map(({ label }) => label));
    this.#status.textContent = "";
    this.#start.disabled = true;
    try {
      await this.#progress.run(`Searching ${humanSize(range.length)}`, (signal, onProgress) => this.#collect(session, { ...range, needles, signal, onProgress }));
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
    for await (const hits of session.inspector.search({ ...options, context, skipHoles: this.#skipHoles.checked })) {
      options.signal?.throwIfAborted();
      this.#hits.add(hits);
      if (this.#hits.full) return;
    }
  }

  async #save() {
    const rows = csvOf(this.#hits.found.hits, this.#hits.found.keywords);
    const stream = new ReadableStream({
      async pull(controller) {
        const { done, value } = rows.next();
        if (done) controller.close();
        else controller.enqueue(new TextEncoder().encode(value));
        await new Promise((resolve) => setTimeout(resolve)); // a task for each piece
      },
    }, { highWaterMark: 0 });
    await saveAs(stream, `${this.#session?.name ?? "disk"}-hits.csv`)
      .catch((error) => { if (error?.name !== "AbortError") this.#report("The hits were not saved.", error); });
  }

  /** @param {string} end */
  #tell(end) {
    const { count } = this.#hits;
    this.#hits.sum();
    this.#status.textContent = `${end}: ${count === 0 ? "no hits" : count === 1 ? "one hit" : `${grouped(count)} hits`}.`;
  }
}

/** @param {string} value @param {string} text */
function option(value, text) {
  const made = element("option", text);
  made.value = value;
  return made;
}
