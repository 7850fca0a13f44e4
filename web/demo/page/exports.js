// The list of exports.
import { button, byId, element } from "./dom.js";
import { visible } from "./text.js";

/**
 * What can be done with an export.
 * @typedef {object} Opening
 * @property {string} action a verb, such as "Open"
 * @property {(name: string) => void} onOpen
 */

/**
 * Shows what a server offers.
 * @param {readonly import("../../client/index.js").ExportEntry[]} entries
 * @param {Opening} opening
 */
export function showExports(entries, opening) {
  const note = byId("exports-note", HTMLElement), list = byId("exports-list", HTMLUListElement);
  note.hidden = entries.length > 0;
  note.textContent = "The server lists no exports. It may still open one whose name you know.";
  list.hidden = entries.length === 0;
  list.replaceChildren(...entries.map((entry) => item(entry, opening)));
}

/** Puts the focus where the list begins. */
export function focusExports() {
  byId("exports-title", HTMLElement).focus();
}

/**
 * @param {import("../../client/index.js").ExportEntry} entry
 * @param {Opening} opening
 */
function item({ name, description }, { action, onOpen }) {
  const about = element("div");
  about.append(nameOf(name));
  if (description) about.append(element("p", visible(description), "hint foreign"));
  const open = button(action, () => onOpen(name));
  open.setAttribute("aria-label", `${action} ${name ? visible(name) : "the default export"}`);
  const made = element("li");
  made.append(about, open);
  return made;
}

/**
 * An export's name as it is shown: the empty one has no characters to show.
 * @param {string} name
 */
export function nameOf(name) {
  return name ? element("span", visible(name), "name") : element("em", "default export", "muted");
}
