// What people should know before they do anything, above the page's work.
import { byId, element } from "./dom.js";

/**
 * Adds a notice, or replaces the one of that id.
 * @param {string} id
 * @param {string} label for screen readers
 * @param {string} headline
 * @param {string} text
 */
export function showNotice(id, label, headline, text) {
  document.getElementById(id)?.remove();
  const made = element("section", "", "notice");
  made.id = id;
  made.setAttribute("aria-label", label);
  const line = element("p");
  line.append(element("strong", headline), ` ${text}`);
  made.append(line);
  byId("notices", HTMLElement).append(made);
}
