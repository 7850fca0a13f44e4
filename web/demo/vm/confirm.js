// Asks before something is lost.
import { byId } from "../page/dom.js";

const dialog = byId("confirm", HTMLDialogElement);

/**
 * @param {string} title as a question
 * @param {string} text what will happen
 * @param {string} action what the button says that does it
 * @returns {Promise<boolean>}
 */
export function confirmed(title, text, action) {
  byId("confirm-title", HTMLElement).textContent = title;
  byId("confirm-text", HTMLElement).textContent = text;
  byId("confirm-yes", HTMLButtonElement).textContent = action;
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}
