// The list of exports.
import { button, byId, element } from "./dom.js";
import { visible } from "./text.js";

const note = byId("exports-note", HTMLElement);
const list = byId("exports-list", HTMLUListElement);
const title = byId("exports-title", HTMLElement);

/**
 * Shows what a server offers.
 * @param {readonly import("../client/index.js").ExportEntry[]} entries
 * @param {(name: string) => void} onOpen
 */
export function showExports(entries, onOpen) {
  note.hidden = entries.length > 0;
  note.textContent = "The server lists no exports. It may still open one whose name you know.";
  list.hidden = entries.length === 0;
  list.replaceChildren(...entries.map((entry) => item(entry, onOpen)));
}

/** Puts the focus where the list begins. */
export function focusExports() {
  title.focus();
}

/**
 * @param {import("../client/index.js").ExportEntry} entry
 * @param {(name: string) => void} onOpen
 */
function item({ name, description }, onOpen) {
  const about = element("div");
  about.append(nameOf(name));
  if (description) about.append(element("p", visible(description), "hint foreign"));
  const open = button("Open", () => onOpen(name));
  open.setAttribute("aria-label", `Open ${name ? visible(name) : "the default export"}`);
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
