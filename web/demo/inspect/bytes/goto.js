// The form that leads to a position.
import { byId, element } from "../../page/dom.js";
import { grouped } from "../../page/text.js";
import { titleOf } from "../overview/bar.js";
import { resolvePosition } from "./position.js";

/** @typedef {import("../inspector.js").Part} Part */

/**
 * @param {import("./view.js").ByteView} view
 * @returns {{show: (layout: import("../inspector.js").Layout) => void, focus: () => void}} show: takes the parts that positions may be relative to
 */
export function startGoTo(view) {
  const field = byId("position", HTMLInputElement);
  const unit = byId("unit", HTMLSelectElement);
  /** @type {Map<string, Part>} */ const parts = new Map();
  for (const [element, type] of /** @type {const} */ ([[field, "input"], [unit, "change"]])) element.addEventListener(type, () => field.setCustomValidity(""));
  byId("goto", HTMLFormElement).addEventListener("submit", (event) => {
    event.preventDefault();
    const [kind, base] = unit.value.startsWith("part-") ? ["byte", parts.get(unit.value)?.offset ?? 0] : [unit.value, 0];
    const offset = resolvePosition(field.value, { size: view.size, cursor: view.selection.cursor, base, unit: kind === "sector" ? 512 : 1 });
    if (offset === undefined) complain(field, view.size);
    else {
      view.show(offset);
      view.focus();
    }
  });
  const show = (/** @type {import("../inspector.js").Layout} */ layout) => {
    parts.clear();
    layout.parts.filter(({ kind }) => kind === "partition").slice(0, 128).forEach((part, i) => parts.set(`part-${i}`, part));
    unit.replaceChildren(option("byte", "bytes"), option("sector", "sectors of 512"), ...[...parts].map(([value, part]) => option(value, `bytes of ${titleOf(part)}`)));
  };
  return { show, focus: () => field.select() };
}

/** @param {HTMLInputElement} field @param {number} size */
function complain(field, size) {
  field.setCustomValidity(`Type a position on the disk, up to byte ${grouped(Math.max(0, size - 1))}: such as 4096, 0x7c00, 1.5 GiB, 2048s for a sector, or +1k from the cursor.`);
  field.reportValidity();
}

/** @param {string} value @param {string} text */
function option(value, text) {
  const made = element("option", text);
  made.value = value;
  return made;
}
