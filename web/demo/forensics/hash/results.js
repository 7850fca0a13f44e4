// What was hashed since the page was opened: a group of rows for each reading.
import { copyText } from "../../page/clipboard.js";
import { button, byId, element } from "../../page/dom.js";
import { grouped, humanSize, rate, visible } from "../../page/text.js";
import { algorithms, compare, names } from "./expected.js";

/** @typedef {import("./run.js").Run} Run */
/** @typedef {import("./expected.js").Sums} Sums */
/** @typedef {"expected" | "pass"} Of what values are compared with: those of the user, or those of the reading before */

/** Readings that are kept at most; older ones are forgotten. */
const maxRuns = 200;

/** The words of a comparison. @type {Record<Of, {equal: string, different: string}>} */
export const words = {
  expected: { equal: "Equal to the expected value", different: "DIFFERENT from the expected value" },
  pass: { equal: "Equal to the first reading", different: "DIFFERENT from the first reading" },
};

export class Results {
  #table = byId("hash-results", HTMLTableElement);
  #box = byId("hash-results-box", HTMLElement);
  #note = byId("hash-results-note", HTMLElement);
  #status = byId("hash-status", HTMLElement);
  #again;

  /** @param {(run: Run) => void} again reads once more */
  constructor(again) {
    this.#again = again;
  }

  /** @param {Run} run @param {Sums} expected @param {Of} of */
  add(run, expected, of) {
    const compared = new Map(compare(run.sums, expected).map((c) => [c.name, c.equal]));
    const body = element("tbody");
    body.append(this.#head(run), ...names.flatMap((name) => {
      const value = run.sums[name];
      return value ? [this.#row(algorithms[name].title, value, comparison(compared.get(name), of))] : [];
    }));
    this.#table.tHead?.after(body); // the last one first
    while (this.#table.tBodies.length > maxRuns) this.#table.tBodies[maxRuns].remove();
    this.#box.hidden = false;
    this.#note.textContent = "They are kept while this page is open, and nowhere else.";
  }

  /** @param {Run} run */
  #head(run) {
    const row = element("tr", "", "run");
    const head = element("th");
    head.scope = "rowgroup";
    head.colSpan = 3;
    const { name, disk } = run.subject;
    head.append(element("span", visible(name), "foreign"), ", ", element("span", visible(disk), "foreign"), element("p", aboutRun(run), "hint figures"));
    const cell = element("td");
    const again = button("Hash again and compare", () => this.#again(run));
    again.setAttribute("aria-label", `Hash again and compare: ${visible(name)}`);
    cell.append(again);
    row.append(head, cell);
    return row;
  }

  /** @param {string} title @param {string} value @param {HTMLElement} compared */
  #row(title, value, compared) {
    const row = element("tr");
    const head = element("th", title);
    head.scope = "row";
    const cell = element("td");
    const copy = button("Copy", () => { this.#copy(title, value); });
    copy.setAttribute("aria-label", `Copy the ${title}`);
    cell.append(copy);
    row.append(head, element("td", value, "code sum"), compared, cell);
    return row;
  }

  /** @param {string} title @param {string} value */
  async #copy(title, value) {
    this.#status.textContent = await copyText(value).then(() => `The ${title} is in the clipboard.`, (error) => `Not copied: ${error.message}`);
  }

  /** Readings can't be made again once their disk is closed. */
  close() {
    for (const again of this.#table.querySelectorAll(".run button")) /** @type {HTMLButtonElement} */ (again).disabled = true;
  }
}

/** @param {Run} run */
function aboutRun({ subject: { offset, length }, start, seconds, skipped }) {
  const time = start.replace("T", " ").replace(/\.\d+Z$/, " UTC");
  const zeros = skipped > 0 ? `; ${humanSize(skipped)} not read, since the server says that they are zeros` : "";
  return `Offset ${grouped(offset)}, length ${grouped(length)} bytes; ${time}, ${seconds.toFixed(1)} seconds, ${rate((length - skipped) / seconds)}${zeros}`;
}

/** @param {boolean | undefined} equal @param {Of} of */
function comparison(equal, of) {
  if (equal === undefined) return element("td", "with nothing", "muted");
  const cell = element("td");
  cell.append(element("span", `${equal ? "= " : "≠ "}${words[of][equal ? "equal" : "different"]}`, equal ? "mark" : "mark danger"));
  return cell;
}
