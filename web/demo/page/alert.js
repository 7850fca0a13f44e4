// The box that says what went wrong and what to do.
import { NbdError } from "../../client/index.js";
import { button, element } from "./dom.js";
import { FieldError, showField } from "./form.js";
import { visible } from "./text.js";

const box = element("div", "", "alert");
box.id = "alert";
box.role = "alert";
box.tabIndex = -1;
box.hidden = true;
document.body.append(box);

/** What had the focus before the box. @type {Element | null} */
let before = null;

/** The field of the form that a failure speaks of. @type {Record<string, string>} */
const FIELDS = {
  BRIDGE_UNREACHABLE: "bridge",
  UNKNOWN_TARGET: "target",
  TARGET_UNREACHABLE: "target",
  UNKNOWN_EXPORT: "export",
  TLS_REQUIRED: "mode",
  TLS_UNTRUSTED: "ca",
  TLS_SERVER_NAME: "server-name",
  TLS_PIN: "pins",
  TLS_CLIENT_CERTIFICATE: "cert",
};

/**
 * Shows a failure.
 * @param {string} what it did, such as "The exports could not be listed."
 * @param {unknown} error
 * @param {{retry?: () => void, focus?: boolean}} [options] what a button
 *   "Reconnect" does, and whether the box takes the focus (it does)
 */
export function showError(what, error, { retry, focus = true } = {}) {
  if (error instanceof FieldError) showField(error.id);
  const actions = element("div", "", "actions");
  if (retry) actions.append(button("Reconnect", () => { hideError(); retry(); }));
  const field = error instanceof NbdError ? FIELDS[error.code] : undefined;
  if (field) actions.append(button("Show the field", () => { hideError(); showField(field); }));
  actions.append(button("Dismiss", dismiss));
  box.replaceChildren(headline(what, error), element("p", visible(messageOf(error))), actions);
  box.hidden = false;
  if (!box.contains(document.activeElement)) before = document.activeElement;
  if (focus && !(error instanceof FieldError)) box.focus();
}

/**
 * @param {string} what
 * @param {unknown} error
 */
function headline(what, error) {
  const line = element("p");
  line.append(element("strong", what));
  if (error instanceof NbdError) line.append(" ", element("code", error.code));
  return line;
}

/** @param {unknown} error */
function messageOf(error) {
  return error instanceof Error ? error.message : String(error);
}

/** Takes the box away, once something new is tried. */
export function hideError() {
  box.hidden = true;
  box.replaceChildren();
}

function dismiss() {
  hideError();
  if (before instanceof HTMLElement) before.focus();
}

box.addEventListener("keydown", (event) => {
  if (event.key === "Escape") dismiss();
});
