// The serial console: what the machine says as text, and lines to send to it.
import { byId } from "../page/dom.js";
import { Transcript, mostLines } from "./transcript.js";

/** @typedef {import("./machine.js").Machine} Machine */

/** Milliseconds between updates: screen readers read whole lines then. */
const period = 100;

/** Lines that are read aloud after each line that is sent: a system that boots would be heard for minutes. */
const mostSpoken = 30;

const log = byId("serial-log", HTMLElement);
const form = byId("serial-form", HTMLFormElement);
const line = byId("serial-line", HTMLInputElement);
const buttons = ["serial-send", "serial-interrupt"].map((id) => byId(id, HTMLButtonElement));

/** @type {Machine | undefined} */ let machine;
let transcript = new Transcript();
/** The line that is not over. */ let last = document.createTextNode("");
/** Lines that are still read aloud. */ let spoken = mostSpoken;
/** @type {ReturnType<typeof setTimeout> | undefined} */ let timer;

/** Makes the console's controls work. */
export function startSerial() {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(`${line.value}\r`);
    line.value = "";
  });
  byId("serial-interrupt", HTMLButtonElement).addEventListener("click", () => send("\x03"));
  byId("serial-clear", HTMLButtonElement).addEventListener("click", clear);
  attachSerial(undefined);
  clear();
}

/** @param {string} text */
function send(text) {
  spoken = mostSpoken;
  machine?.type(text);
}

function clear() {
  spoken = mostSpoken;
  transcript = new Transcript();
  last = document.createTextNode("");
  log.replaceChildren(last);
}

/** @param {Machine | undefined} shown none: what was said stays */
export function attachSerial(shown) {
  machine = shown;
  for (const control of [line, ...buttons]) control.disabled = !shown;
  if (!shown) return;
  clear();
  shown.listen("serial0-output-byte", (byte) => {
    if (machine !== shown) return;
    transcript.push(byte);
    timer ??= setTimeout(show, period);
  });
}

/** Lines that are over are never touched again. */
function show() {
  timer = undefined;
  const atEnd = log.scrollTop + log.clientHeight >= log.scrollHeight - 8;
  const lines = transcript.take();
  spoken -= lines.length;
  log.ariaLive = spoken < 0 ? "off" : "polite";
  for (const text of lines) {
    last.data = `${text}\n`;
    last = document.createTextNode("");
    log.append(last);
  }
  if (last.data !== transcript.current) last.data = transcript.current;
  while (log.childNodes.length > mostLines) log.firstChild?.remove();
  if (atEnd) log.scrollTop = log.scrollHeight;
}
