// Questions before something that can't be undone.
import { button, element } from "./dom.js";

/**
 * Asks, and tells whether the answer was yes. Escape is no.
 * @param {string} question a headline
 * @param {string} detail what will be lost or changed
 * @param {{yes: string, danger?: boolean}} answer yes: a verb that says what happens, such as "Discard the changes"
 * @returns {Promise<boolean>}
 */
export function ask(question, detail, { yes, danger = false }) {
  const dialog = document.createElement("dialog");
  const title = element("h2", question);
  title.id = "ask-title";
  dialog.setAttribute("aria-labelledby", title.id);
  const actions = element("div", "", "actions");
  const agree = button(yes, () => dialog.close("yes"));
  agree.className = danger ? "danger" : "primary";
  actions.append(button("Cancel", () => dialog.close("")), agree);
  dialog.append(title, element("p", detail), actions);
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => {
    dialog.remove();
    resolve(dialog.returnValue === "yes");
  }, { once: true }));
}
