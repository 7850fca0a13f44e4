// Says that the connection is lost and that the machine waits for it.
import { byId } from "../page/dom.js";
import { visible } from "../page/text.js";

/** @typedef {import("./stack.js").Stack} Stack */

const banner = byId("outage", HTMLElement);
const what = byId("outage-what", HTMLElement);
const next = byId("outage-next", HTMLElement);

/** When it began, by Date.now(); 0: there is none. */ let since = 0;
/** The guest waits for an answer, and stands still. */ let paused = false;
/** When the next attempt comes, by Date.now(). */ let due = 0;
let attempt = 0, cause = "";
/** @type {ReturnType<typeof setInterval> | undefined} */ let timer;

/**
 * Follows the connection of a disk until the disk has ended.
 * @param {Stack} stack
 */
export function watchOutages({ disk, drive }) {
  disk.on("reconnecting", (state) => {
    attempt = state.attempt;
    cause = visible(state.cause.message);
    due = Date.now() + state.delay;
    begin(Date.now());
  });
  disk.on("stalled", (state) => begin(state.since));
  drive.on("stalled", (state) => {
    paused = true;
    begin(state.since);
  });
  drive.on("resumed", () => {
    paused = false;
    show();
  });
  disk.on("reconnected", end);
  disk.on("resumed", end);
  disk.closed.then(end);
}

/** @param {number} at */
function begin(at) {
  since ||= at;
  timer ??= setInterval(count, 1000);
  show();
}

function end() {
  clearInterval(timer);
  timer = undefined;
  since = due = attempt = 0;
  cause = "";
  paused = false;
  show();
}

/** What is read aloud changes with the state alone, not with the time. */
function show() {
  banner.hidden = since === 0;
  const machine = paused ? "The machine is paused until it is back, and loses nothing." : "The machine goes on until it needs the disk.";
  const text = `${attempt ? "The connection to the disk is lost." : "The disk does not answer."} ${machine}`;
  if (what.textContent !== text) what.textContent = since ? text : "";
  count();
}

function count() {
  if (!since) return;
  const seconds = (/** @type {number} */ ms) => `${Math.max(0, Math.round(ms / 1000))} s`;
  const again = !attempt ? "" : due > Date.now() ? ` Attempt ${attempt} comes in ${seconds(due - Date.now())}.` : ` Attempt ${attempt} is under way.`;
  next.textContent = `Since ${new Date(since).toLocaleTimeString()}, for ${seconds(Date.now() - since)}.${again}${cause ? ` ${cause}` : ""}`;
}
