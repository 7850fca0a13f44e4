// The machine's screen, and the keyboard that is lent to it.
//
// A page that gave all keys to a machine would be a trap for whoever has no
// mouse. So the machine has the keyboard only after a click on the screen, or
// Enter while the screen has the focus, and gives it back when Ctrl and Alt are
// pressed together and let go: guests have no use for these two alone.
import { byId, element } from "../page/dom.js";

/** @typedef {import("./machine.js").Machine} Machine */

const view = byId("screen", HTMLElement);
const hint = byId("screen-hint", HTMLElement);
const status = byId("screen-status", HTMLElement);
const controlAltDelete = [0x1d, 0x38, 0x53, 0x9d, 0xb8, 0xd3];

const resting = "The keyboard is yours. Click the screen, or press Enter on it, to type into the machine.";
const lent = "The machine has the keyboard. Press Ctrl and Alt together and let go to have it back.";

/** @type {Machine | undefined} */ let machine;
let captured = false;
/** Both keys are down and nothing else was pressed since. */ let leaving = false;

/** Makes the screen take and give back the keyboard. */
export function startScreen() {
  view.addEventListener("keydown", onKeyDown, true);
  view.addEventListener("keyup", onKeyUp, true);
  view.addEventListener("pointerdown", onPointer);
  view.addEventListener("blur", () => release());
  byId("ctrl-alt-del", HTMLButtonElement).addEventListener("click", () => machine?.sendScancodes(controlAltDelete));
  byId("release", HTMLButtonElement).addEventListener("click", () => release());
  show();
}

/**
 * A container as V86 wants it, in place of the one before.
 * @returns {HTMLElement}
 */
export function freshScreen() {
  const text = element("div", "", "screen-text");
  const made = element("div", "", "screen-inner");
  made.append(text, element("canvas"));
  view.replaceChildren(made);
  return made;
}

/** @param {Machine | undefined} shown none: the screen stays dark */
export function attachScreen(shown) {
  release();
  machine = shown;
  view.toggleAttribute("data-on", Boolean(shown));
  view.tabIndex = shown ? 0 : -1;
  if (!shown) view.replaceChildren();
  show();
}

/** @param {PointerEvent} event */
function onPointer(event) {
  if (!machine) return;
  event.preventDefault(); // nothing is to be selected
  view.focus();
  capture();
}

function capture() {
  if (!machine || captured) return;
  captured = true;
  machine.takeKeys(true);
  show();
}

function release() {
  if (!captured) return;
  captured = false;
  leaving = false;
  machine?.takeKeys(false);
  show();
}

/** @param {KeyboardEvent} event */
function onKeyDown(event) {
  if (!captured) {
    if (event.key !== "Enter" || !machine) return;
    event.preventDefault();
    event.stopPropagation(); // it was for the page
    return capture();
  }
  leaving = isLeaving(event);
}

/** Without AltGr, which some keyboards send as Ctrl and Alt. @param {KeyboardEvent} event */
function isLeaving({ key, code, ctrlKey, altKey }) {
  return (key === "Control" || key === "Alt") && code !== "AltRight" && (ctrlKey || key === "Control") && (altKey || key === "Alt");
}

/** @param {KeyboardEvent} event */
function onKeyUp({ key }) {
  if (!captured || !leaving || (key !== "Control" && key !== "Alt")) return;
  release();
  byId("ctrl-alt-del", HTMLButtonElement).focus();
}

function show() {
  view.classList.toggle("captured", captured);
  byId("release", HTMLButtonElement).disabled = !captured;
  byId("ctrl-alt-del", HTMLButtonElement).disabled = !machine;
  hint.hidden = !machine;
  status.textContent = machine ? (captured ? lent : resting) : "";
}
