// The table of a disk's parts, with what can be done with each.
import { button, element } from "../../page/dom.js";
import { grouped, humanSize, visible } from "../../page/text.js";
import { titleOf } from "./bar.js";

/** @typedef {import("../inspector.js").Part} Part */
/** @typedef {import("../inspector.js").Signature} Signature */
/** @typedef {import("../session.js").Job} Job */

/**
 * @typedef {object} Actions
 * @property {(part: Part, signature: Signature) => void} browse
 * @property {(part: Part) => void} bytes
 * @property {(part: Part) => void} search
 * @property {(job: Job, part: Part) => void} take
 */

/** What a part is that is no partition. */
const kinds = /** @type {Record<string, string>} */ ({ table: "a table", unallocated: "in no partition", whole: "all of it" });

export class PartTable {
  #body;
  #actions;
  /** @type {HTMLTableRowElement[]} */ #rows = [];

  /** @param {HTMLTableSectionElement} body @param {Actions} actions */
  constructor(body, actions) {
    this.#body = body;
    this.#actions = actions;
  }

  /** @param {readonly Part[]} parts @param {readonly Job[]} jobs of the page */
  show(parts, jobs) {
    this.#rows = parts.map((part) => this.#row(part, jobs));
    this.#body.replaceChildren(...this.#rows);
  }

  /** @param {Part} part @param {readonly Job[]} jobs */
  #row(part, jobs) {
    const row = element("tr", "", part.kind);
    const title = element("th", titleOf(part));
    title.scope = "row";
    row.append(title, typeCell(part), element("td", part.length === 0 ? "" : "…"), numberCell(part.offset), numberCell(part.length, humanSize(part.length)),
      element("td", (part.flags ?? []).map(visible).join(", ")), element("td"), this.#doCell(part, jobs));
    return row;
  }

  /** @param {Part} part @param {readonly Job[]} jobs */
  #doCell(part, jobs) {
    const cell = element("td");
    const actions = element("div", "", "actions small");
    const add = (/** @type {string} */ word, /** @type {() => void} */ action) => {
      const made = button(word, action);
      made.setAttribute("aria-label", `${word}: ${titleOf(part)}`);
      made.disabled = part.length === 0;
      actions.append(made);
    };
    add("Bytes", () => this.#actions.bytes(part));
    add("Search here", () => this.#actions.search(part));
    for (const job of jobs) add(job.word, () => this.#actions.take(job, part));
    cell.append(actions);
    return cell;
  }

  /**
   * Names what a part holds; none is hidden, whether it can be browsed or not.
   * @param {number} index
   * @param {Part} part
   * @param {readonly Signature[]} signatures
   */
  tell(index, part, signatures) {
    const row = this.#rows[index];
    if (!row) return;
    row.cells[2].replaceChildren(...signatures.length > 0 ? signatures.map(signatureLine) : [element("span", part.kind === "table" ? "" : "nothing known", "muted")]);
    const browsable = signatures.find((s) => s.browsable);
    if (!browsable) return;
    const made = button("Browse", () => this.#actions.browse(part, browsable));
    made.setAttribute("aria-label", `Browse: ${titleOf(part)}`);
    row.cells[7].firstElementChild?.prepend(made);
  }

  /** Says that a part could not be read. @param {number} index @param {string} why */
  fail(index, why) {
    this.#rows[index]?.cells[2].replaceChildren(element("span", `not read: ${why}`, "danger"));
  }

  /** @param {number} index @param {string} text */
  usage(index, text) {
    const cell = this.#rows[index]?.cells[6];
    if (cell) cell.textContent = text;
  }

  /** @param {number} index @param {boolean} enter whether it gets the focus */
  choose(index, enter) {
    this.#rows.forEach((row, i) => row.classList.toggle("here", i === index));
    if (enter) this.#rows[index]?.querySelector("button")?.focus();
  }
}

/** @param {Part} part */
function typeCell({ kind, typeName, type, uuid }) {
  const cell = element("td", kinds[kind] ?? typeName);
  if (type || uuid) cell.append(element("p", [type && `type ${type}`, uuid].filter(Boolean).join(", "), "hint"));
  return cell;
}

/** @param {number} n @param {string} [text] */
function numberCell(n, text = grouped(n)) {
  const cell = element("td", text, "number");
  cell.title = `${grouped(n)} bytes, 0x${n.toString(16)}`;
  return cell;
}

/** @param {Signature} signature */
function signatureLine({ name, label, version, browsable, notes = [] }) {
  const line = element("p", name);
  if (version) line.append(` ${visible(version)}`);
  if (label) line.append(" ", element("span", visible(label), "name"));
  if (!browsable) line.append(element("span", " · not browsable here", "hint"));
  if (notes.length > 0) line.append(element("span", ` · ${notes.map(visible).join(", ")}`, "hint"));
  return line;
}
