// The files of a disk.
import { element } from "../../page/dom.js";

/**
 * What the page needs of its files side.
 * @typedef {object} Files
 * @property {(part: import("../inspector.js").Part) => void} browse shows the files of a part
 * @property {() => void} close lets go of the disk; what is under way ends
 */

/**
 * Begins with a disk. The container is empty, and may be out of sight.
 * @param {HTMLElement} container
 * @param {object} use
 * @param {import("../inspector.js").Inspector} use.inspector
 * @param {import("../../../client/device.js").BlockDevice} use.device the whole disk
 * @param {import("../inspector.js").Layout} use.layout
 * @param {AbortSignal} use.signal aborts when the disk is closed
 * @param {(what: string, error: unknown) => void} use.report tells the user of a failure, such as "The folder could not be listed."
 * @returns {Files}
 */
export function startFiles(container, use) {
  void use;
  container.replaceChildren(element("p", "The files of this disk can’t be shown yet.", "muted"));
  return { browse() {}, close() { container.replaceChildren(); } };
}
