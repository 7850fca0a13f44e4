// The bar that shows a disk's parts to scale.
import { element } from "../../page/dom.js";
import { grouped, humanSize, visible } from "../../page/text.js";
import { shares } from "./shares.js";

/** @typedef {import("../inspector.js").Part} Part */

/** The least width of a part, as a share of the bar. */
const least = 0.02;

/** How many parts are drawn, and listed, at most. */
export const maxParts = 512;

/** A part in a few words. @param {Part} part */
export function titleOf({ kind, number, name, typeName }) {
  if (kind !== "partition") return typeName;
  return `Partition ${number}${name ? ` “${visible(name)}”` : ""}`;
}

/** A part in a sentence without its full stop. @param {Part} part */
export function aboutOf(part) {
  const { kind, typeName, offset, length } = part;
  return `${titleOf(part)}${kind === "partition" ? `, ${typeName}` : ""}: ${humanSize(length)} from byte ${grouped(offset)}`;
}

export class LayoutBar {
  #bar;
  #note;
  #onChoose;
  /** @type {HTMLButtonElement[]} */ #segments = [];

  /**
   * @param {HTMLElement} bar
   * @param {HTMLElement} note says what is not to scale
   * @param {(index: number, enter: boolean) => void} onChoose enter: it was pressed, not only looked at
   */
  constructor(bar, note, onChoose) {
    this.#bar = bar;
    this.#note = note;
    this.#onChoose = onChoose;
    bar.addEventListener("keydown", (event) => this.#onKey(event));
  }

  /** @param {readonly Part[]} parts */
  show(parts) {
    const widths = shares(parts.map(({ length }) => length), least);
    this.#segments = parts.map((part, i) => this.#segment(part, i, widths[i].share));
    this.#bar.style.minWidth = `${parts.length * 0.5}rem`;
    this.#bar.replaceChildren(...this.#segments);
    const widened = widths.filter((w) => w.widened).length;
    this.#note.textContent = widened === 0 ? "To scale." : `To scale, but for ${widened === 1 ? "one part" : `${widened} parts`} that would be too narrow to see.`;
    this.choose(0);
  }

  /** Shows a signature's name on its part. @param {number} index @param {string} text */
  tell(index, text) {
    const segment = this.#segments[index];
    if (!segment) return;
    segment.append(element("small", text));
    segment.setAttribute("aria-label", `${segment.getAttribute("aria-label")}, ${text}`);
  }

  /** @param {Part} part @param {number} index @param {number} share */
  #segment(part, index, share) {
    const made = element("button", "", `segment ${part.kind}`);
    made.type = "button";
    made.append(element("span", titleOf(part)));
    made.setAttribute("aria-label", aboutOf(part));
    made.style.flexGrow = String(share * 1000);
    made.addEventListener("click", () => {
      this.choose(index);
      this.#onChoose(index, true);
    });
    made.addEventListener("focus", () => this.#onChoose(index, false));
    return made;
  }

  /** @param {number} index */
  choose(index) {
    this.#segments.forEach((segment, i) => {
      segment.tabIndex = i === index ? 0 : -1;
      segment.setAttribute("aria-pressed", String(i === index));
    });
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    const at = this.#segments.findIndex((segment) => segment === document.activeElement);
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: this.#segments.length - 1 }[event.key];
    if (to === undefined || at < 0) return;
    event.preventDefault();
    const index = Math.max(0, Math.min(to, this.#segments.length - 1));
    this.choose(index);
    this.#segments[index].focus();
  }
}
