// Hashes a disk, a part of it or a file, and compares with what is expected.
import { byId } from "../../page/dom.js";
import { ProgressBar } from "../../page/progress.js";
import { grouped, humanSize, visible } from "../../page/text.js";
import { titleOf } from "../../inspect/overview/bar.js";
import { ExpectedError, algorithms, expectedOf, names } from "./expected.js";
import { Results } from "./results.js";
import { hashOf, subjectOf } from "./run.js";
import { showVerdict } from "./verdict.js";

/** @typedef {import("../session.js").Session} Session */
/** @typedef {import("../session.js").Stretch} Stretch */
/** @typedef {import("./expected.js").HashName} HashName */
/** @typedef {import("./run.js").Run} Run */
/** @typedef {import("./run.js").Subject} Subject */

/** Parts that the list has at most; others come from the overview. */
const maxParts = 128;
/** Files that the list has at most. */
const maxFiles = 64;

export class Hashing {
  #what = byId("hash-what", HTMLSelectElement);
  #range = byId("hash-range", HTMLElement);
  #expected = byId("hash-expected", HTMLTextAreaElement);
  #note = byId("hash-expected-note", HTMLElement);
  #start = byId("hash-start", HTMLButtonElement);
  #verdict = byId("hash-verdict", HTMLElement);
  #status = byId("hash-status", HTMLElement);
  #progress = new ProgressBar();
  #results = new Results((run) => { this.#again(run); });
  #report;
  /** @type {Session | undefined} */ #session;
  /** What is open, in words. */ #disk = "";
  /** In the order of the list. @type {Subject[]} */ #subjects = [];
  /** Lets go of the files in the list, in its order. @type {(() => void)[]} */ #closing = [];

  /** @param {(what: string, error: unknown) => void} report */
  constructor(report) {
    this.#report = report;
    byId("hash-progress", HTMLElement).replaceWith(this.#progress.element);
    byId("hash-form", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#what.addEventListener("change", () => this.#showRange());
    this.#expected.addEventListener("input", () => { this.#readExpected(); });
    for (const name of names) box(name).addEventListener("change", () => box("sha256").setCustomValidity(""));
  }

  /** @param {Session} session */
  show(session) {
    const { device, layout } = session;
    const disk = this.#disk = diskOf(session.facts());
    this.#session = session;
    const parts = layout.parts.filter(({ kind, length, offset }) => length > 0 && offset < device.size && (kind === "partition" || kind === "unallocated"));
    this.#subjects = [{ device, name: "The whole disk" }, ...parts.slice(0, maxParts).map((part) => (
      { device, name: titleOf(part), offset: part.offset, length: Math.min(part.length, device.size - part.offset) }))].map((stretch) => subjectOf(stretch, disk));
    this.#what.replaceChildren(...this.#subjects.map(option));
    this.#use(true);
    this.#showRange();
    this.#tell();
  }

  /** Chooses what is hashed next. @param {Stretch} what */
  choose(what) {
    const subject = subjectOf(what, this.#disk);
    let at = this.#subjects.findIndex((s) => isSame(s, subject));
    if (at >= 0) what.close?.(); // that of before will do
    else {
      if (what.close) this.#makeRoom(what.close);
      at = this.#subjects.push(subject) - 1;
      this.#what.append(option(subject));
    }
    this.#what.selectedIndex = at;
    this.#showRange();
    this.#start.focus();
  }

  /** Files stay open, and not too many can be. @param {() => void} close that of another */
  #makeRoom(close) {
    if (this.#closing.push(close) <= maxFiles) return;
    this.#closing.shift()?.();
    const oldest = this.#subjects.findIndex(({ isFile }) => isFile);
    this.#subjects.splice(oldest, 1);
    this.#what.options[oldest].remove();
  }

  #showRange() {
    const subject = this.#subjects[this.#what.selectedIndex];
    this.#range.textContent = subject ? `${grouped(subject.length)} bytes (${humanSize(subject.length)}) from byte ${grouped(subject.offset)}` : "";
  }

  /** What is expected, and which algorithms that takes. @returns {import("./expected.js").Sums | undefined} nothing if it can't be meant */
  #readExpected() {
    try {
      const sums = expectedOf(this.#expected.value);
      const found = names.filter((name) => sums[name]);
      for (const name of found) box(name).checked = true;
      this.#expected.setCustomValidity("");
      this.#note.textContent = found.length ? `By its length: ${found.map((name) => algorithms[name].title).join(", ")}` : "";
      return sums;
    } catch (error) {
      if (!(error instanceof ExpectedError)) throw error;
      this.#expected.setCustomValidity(error.message);
      this.#note.textContent = error.message;
      return undefined;
    }
  }

  /** @returns {HashName[]} */
  #chosen() {
    const chosen = names.filter((name) => box(name).checked);
    box("sha256").setCustomValidity(chosen.length ? "" : "Choose at least one algorithm.");
    if (!chosen.length) box("sha256").reportValidity();
    return chosen;
  }

  async #submit() {
    const subject = this.#subjects[this.#what.selectedIndex];
    const expected = this.#readExpected();
    if (!expected) return void this.#expected.reportValidity();
    const chosen = this.#chosen();
    if (subject && chosen.length) await this.#hash(subject, chosen, expected, "expected");
  }

  /** @param {Run} run */
  async #again({ subject, sums }) {
    await this.#hash(subject, names.filter((name) => sums[name]), sums, "pass");
  }

  /**
   * @param {Subject} subject
   * @param {HashName[]} chosen
   * @param {import("./expected.js").Sums} expected
   * @param {import("./results.js").Of} of
   */
  async #hash(subject, chosen, expected, of) {
    const session = this.#session;
    if (!session) return;
    this.#tell();
    showVerdict(this.#verdict, {}, {}, of);
    this.#start.disabled = true;
    try {
      const run = await this.#progress.run(`Hashing ${visible(subject.name)}`, (stop, onProgress) => hashOf(subject, chosen, { signal: AbortSignal.any([stop, session.signal]), onProgress }));
      this.#results.add(run, expected, of);
      showVerdict(this.#verdict, run.sums, expected, of);
      this.#tell(`${visible(subject.name)} is hashed.`);
    } catch (error) {
      this.#fail(error, session);
    } finally {
      this.#start.disabled = this.#session === undefined;
    }
  }

  /** @param {any} error @param {Session} session */
  #fail(error, session) {
    if (session.signal.aborted) this.#tell("There is no hash: the disk was closed. Nothing is known of a hash before its end; begin it anew.");
    else if (error?.name === "AbortError") this.#tell("There is no hash: it was stopped, and nothing is known of a hash before its end.");
    else {
      this.#tell(`There is no hash: ${visible(String(error?.message ?? error))}`);
      this.#report("There is no hash.", error);
    }
  }

  #tell(text = "") {
    this.#status.textContent = text;
  }

  /** @param {boolean} inUse */
  #use(inUse) {
    this.#what.disabled = this.#start.disabled = !inUse;
  }

  /** Results stay. */
  close() {
    this.#session = undefined;
    this.#use(false);
    this.#results.close();
    for (const close of this.#closing.splice(0)) close();
    this.#subjects = [];
  }
}

/** @param {{exportName: string}} facts */
function diskOf({ exportName }) {
  return exportName ? `export ${exportName}` : "default export";
}

/** @param {Subject} a @param {Subject} b */
function isSame(a, b) {
  return a.isFile || b.isFile ? a.isFile && b.isFile && a.name === b.name : a.device === b.device && a.offset === b.offset && a.length === b.length;
}

/** @param {HashName} name */
function box(name) {
  return byId(`hash-${name}`, HTMLInputElement);
}

/** @param {Subject} subject */
function option({ name, length }) {
  return new Option(`${visible(name)}, ${humanSize(length)}`);
}
