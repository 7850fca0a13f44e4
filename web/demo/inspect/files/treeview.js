// The rows of a tree that are in sight, as a table that scrolls.
import { element } from "../../page/dom.js";
import { humanSize, visible } from "../../page/text.js";
import { timeText } from "./time.js";

/** @typedef {import("./tree.js").Node} Node */
/** @typedef {import("./tree.js").Tree} Tree */

/** Height of a row in rem, as in files.css. */
const rowHeight = 2;
/** Rows that are made beyond those in sight, on either side. */
const margin = 8;

/** @type {Record<string, string>} */
const marks = { folder: "▸", symlink: "↗", file: "" };

export class TreeView {
  #box;
  #tree;
  #sheet = element("div", "", "files-sheet");
  #selected;
  #onSelect;
  #frame = 0;
  #typed = "";
  #typedAt = 0;

  /**
   * @param {HTMLElement} box it scrolls
   * @param {Tree} tree
   * @param {(node: Node) => void} onSelect
   */
  constructor(box, tree, onSelect) {
    this.#box = box;
    this.#tree = tree;
    this.#onSelect = onSelect;
    this.#selected = tree.root;
    box.role = "treegrid";
    box.tabIndex = 0;
    box.replaceChildren(this.#sheet);
    this.#sheet.role = "rowgroup";
    box.onscroll = () => this.draw();
    box.onkeydown = (event) => this.#onKey(event);
    box.onclick = (event) => this.#onClick(event);
    this.draw();
  }

  /** Draws what is in sight, with the next frame. */
  draw() {
    if (this.#frame) return;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0;
      this.#draw();
    });
  }

  #draw() {
    const { rows } = this.#tree;
    const height = rowHeight * rem();
    const first = Math.max(0, Math.floor(this.#box.scrollTop / height) - margin);
    const last = Math.min(rows.length, Math.ceil((this.#box.scrollTop + this.#box.clientHeight) / height) + margin);
    this.#sheet.style.height = `${rows.length * height}px`;
    this.#box.setAttribute("aria-rowcount", String(rows.length));
    this.#sheet.replaceChildren(...rows.slice(first, last).map((node, i) => this.#row(node, first + i, height)));
    const at = this.#selected && rows.indexOf(this.#selected);
    const shown = at !== undefined && at >= first && at < last;
    if (shown) this.#box.setAttribute("aria-activedescendant", `file-row-${at}`);
    else this.#box.removeAttribute("aria-activedescendant");
  }

  /** @param {Node} node @param {number} index @param {number} height */
  #row(node, index, height) {
    const { entry } = node;
    const row = element("div", "", "files-row");
    row.role = "row";
    row.id = `file-row-${index}`;
    row.ariaRowIndex = String(index + 1);
    row.ariaLevel = String(node.level);
    row.ariaSelected = String(node === this.#selected);
    if (node.isFolder) row.ariaExpanded = String(node.open);
    row.style.top = `${index * height}px`;
    row.append(nameCell(node), cell(node.isFolder ? "" : humanSize(entry.size), "number"), cell(entry.modified ? timeText(entry.modified) : "", "number wide-only"));
    return row;
  }

  /** @param {Node} node @param {{focus?: boolean}} [options] */
  select(node, { focus = false } = {}) {
    const at = this.#tree.rows.indexOf(node);
    if (at < 0) return;
    const height = rowHeight * rem(), top = at * height;
    if (top < this.#box.scrollTop) this.#box.scrollTop = top;
    else if (top + height > this.#box.scrollTop + this.#box.clientHeight) this.#box.scrollTop = top + height - this.#box.clientHeight;
    const again = node === this.#selected;
    this.#selected = node;
    this.draw();
    if (focus) this.#box.focus();
    if (!again) this.#onSelect(node);
  }

  /** @param {MouseEvent} event */
  #onClick(event) {
    const row = event.target instanceof Element ? event.target.closest(".files-row") : null;
    const node = row && this.#tree.rows[Number(row.id.slice("file-row-".length))];
    if (!node) return;
    this.select(node);
    if (node.isFolder) this.#toggle(node);
  }

  /** @param {Node} node */
  #toggle(node) {
    if (node.open) this.#tree.close(node);
    else this.#tree.open(node);
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const at = this.#tree.rows.indexOf(this.#selected);
    const page = Math.max(1, Math.floor(this.#box.clientHeight / (rowHeight * rem())) - 1);
    const to = { ArrowUp: at - 1, ArrowDown: at + 1, PageUp: at - page, PageDown: at + page, Home: 0, End: Infinity }[event.key];
    if (to !== undefined) this.#go(to);
    else if (event.key.length === 1 && event.key !== " ") this.#type(event.key, at);
    else if (!this.#act(event.key)) return;
    event.preventDefault();
  }

  /** @param {string} key @returns {boolean} whether it means anything */
  #act(key) {
    const node = this.#selected;
    if (key === "Enter" || key === " ") {
      if (node.isFolder) this.#toggle(node);
    } else if (key === "ArrowRight") {
      if (node.open) this.#go(this.#tree.rows.indexOf(node) + 1);
      else this.#tree.open(node);
    } else if (key === "ArrowLeft") {
      if (node.open) this.#tree.close(node);
      else if (node.parent) this.select(node.parent);
    } else return false;
    return true;
  }

  /** @param {number} to */
  #go(to) {
    const { rows } = this.#tree;
    this.select(rows[Math.max(0, Math.min(to, rows.length - 1))]);
  }

  /** Goes to the next row whose name begins with what is typed. @param {string} key @param {number} at */
  #type(key, at) {
    const now = performance.now();
    this.#typed = now - this.#typedAt < 1000 ? this.#typed + key.toLowerCase() : key.toLowerCase();
    this.#typedAt = now;
    const { rows } = this.#tree;
    const from = this.#typed.length > 1 ? at : at + 1;
    for (let i = 0; i < rows.length; i++) {
      const node = rows[(from + i) % rows.length];
      if (node.key.startsWith(this.#typed)) return this.select(node);
    }
  }
}

const rem = () => parseFloat(getComputedStyle(document.documentElement).fontSize);

/** @param {string} text @param {string} className */
function cell(text, className) {
  const made = element("span", text, className);
  made.role = "gridcell";
  return made;
}

/** @param {Node} node */
function nameCell(node) {
  const { entry } = node;
  const made = cell("", "files-name");
  made.style.paddingInlineStart = `${Math.min(node.level - 1, 24)}rem`;
  const mark = element("span", node.open ? "▾" : marks[entry.type] ?? "•", "files-mark");
  mark.ariaHidden = "true";
  made.append(mark, element("span", visible(entry.name), entry.hidden ? "name muted" : "name"));
  const note = node.loading ? "listing…" : node.problem || entry.problem || (entry.type === "file" || node.isFolder ? "" : entry.type);
  if (note) made.append(element("span", ` ${visible(note)}`, node.loading || entry.type !== "file" && !node.problem && !entry.problem ? "hint" : "hint danger"));
  return made;
}
