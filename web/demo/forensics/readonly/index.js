// Says what keeps this disk from being written, and what does not.
import { byId } from "../../page/dom.js";

/** @param {Pick<import("../session.js").Facts, "features">} facts */
export function showReadOnly({ features }) {
  byId("server-flag", HTMLElement).textContent = features.writable ? "The server would accept writes." : "The server exports it read-only.";
}
