// The buttons of the machine's page.
import { ask } from "../page/ask.js";
import { byId } from "../page/dom.js";
import { grouped, humanSize, visible } from "../page/text.js";
import { commit, discard, exportChanges, importChanges } from "./changes.js";
import { dirtyBytes } from "./stack.js";
import { showHeld } from "./strip.js";
import { isWorking, work } from "./work.js";

/** @typedef {import("./session.js").Session} Session */

const status = byId("machine-status", HTMLElement);
const file = byId("import-file", HTMLInputElement);
/** @param {string} id */
const button = (id) => byId(id, HTMLButtonElement);

/** What each phase is in words. */
const words = {
  off: "No machine is running.",
  ready: "The disk is open, and no machine runs.",
  running: "The machine is running.",
  paused: "The machine is paused.",
  failed: "The machine was stopped by an error. Restart it, or power it off.",
};

const choose = "The disk is open. Resume the machine as it was saved, or boot from the disk.";
const waits = "The machine stands still until its disk answers.";
const halted = "The machine’s system has shut down. Power the machine off, or restart it.";

/** Where the changes are, in words. */
const places = {
  keep: "They are in this browser’s storage, in the clear, and survive a reload. The export stays as it is.",
  forget: "They are in memory, and gone when this page closes. The export stays as it is.",
  through: "Nothing is kept apart: the machine writes to the export itself.",
};

/** @param {Session} session */
export function startControls(session) {
  /** @type {Record<string, () => void | Promise<unknown>>} */
  const actions = {
    "start": () => work("Starting the machine…", "The machine could not be started.", ({ signal }) => session.start(signal)),
    "boot-afresh": () => work("Booting…", "The machine could not be started.", ({ signal }) => session.boot(signal)),
    "resume": () => resume(session),
    "forget": () => work("Forgetting the saved state…", "The saved state could not be removed.", () => session.forget()),
    "pause": () => session.toggle(),
    "restart": () => work("Restarting…", "The machine could not be restarted.", ({ signal }) => session.restart(signal)),
    "power-off": () => work("Powering off…", "The machine did not end well.", () => session.end()),
    "save": () => work("Saving the machine as it is…", "The machine could not be saved.", ({ signal, tell }) => session.save(signal, tell)),
    "discard": () => askToDiscard(session),
    "commit": () => askToCommit(session),
    "export-changes": () => work("Exporting the changes…", "The changes could not be exported.", ({ signal, tell }) => exportChanges(session, signal, tell)),
    "import-changes": () => file.click(),
  };
  for (const [id, action] of Object.entries(actions)) button(id).addEventListener("click", action);
  file.addEventListener("change", () => takeFile(session));
}

/** @param {Session} session */
async function resume(session) {
  const open = session.stack || await work("Opening the disk…", "The disk could not be opened.", ({ signal }) => session.reopen(signal));
  if (!open || !session.saved) return;
  const question = "The saved state puts the machine’s changes back to how they were when it was saved. What was written since then is lost; export the changes first if you need them.";
  if (await session.wouldLose() && !await ask("Go back to the saved state?", question, { yes: "Resume", danger: true })) return;
  await work("Resuming…", "The machine could not be resumed.", ({ signal }) => session.resume(signal));
}

/** @param {Session} session */
async function askToDiscard(session) {
  const again = session.phase === "running";
  const machine = again ? " The machine is stopped and boots afresh." : session.machine ? " The machine is powered off." : "";
  const kept = session.saved ? " The saved state stays, with the changes that it has; forget it too if they are to go." : "";
  const question = `Everything that the machine has written is lost, and its disk is the export again.${machine}${kept}`;
  if (!await ask("Discard all changes?", question, { yes: "Discard the changes", danger: true })) return;
  const done = await work("Discarding the changes…", "The changes could not be discarded.", () => discard(session));
  if (done) tell("The changes were discarded.", 0);
  if (done && again) await work("Booting…", "The machine could not be started.", ({ signal }) => session.start(signal));
}

/** @param {Session} session */
async function askToCommit(session) {
  const question = "The export itself is changed, for everybody, and nothing brings back what was there. Shut the machine’s system down first: it is powered off now. A saved state does not fit any more, and is forgotten.";
  if (!await ask("Write the changes to the export?", question, { yes: "Write to the export", danger: true })) return;
  const done = await work("Writing the changes to the export…", "The changes could not be written. They are all still here.", ({ signal, tell }) => commit(session, signal, tell));
  if (done) tell("The changes are in the export.", 0);
  else tell("The changes are still here. If writing had begun, the export has a part of them: write them again.");
}

/** @param {Session} session */
async function takeFile(session) {
  const chosen = file.files?.[0];
  file.value = "";
  if (!chosen) return;
  const question = `The machine is powered off, and its changes are replaced by those of the file (${humanSize(chosen.size)}).`;
  if (!await ask("Replace the changes?", question, { yes: "Replace the changes", danger: true })) return;
  let held = 0;
  const done = await work("Importing the changes…", "The changes could not be imported. Nothing was replaced.", async ({ signal }) => { held = await importChanges(session, chosen, signal); });
  if (done) tell("The changes of the file are in their place. Start the machine to use them.", held);
}

/** @param {string} text @param {number} [held] bytes of changes that there are now */
function tell(text, held) {
  byId("changes-status", HTMLElement).textContent = text;
  if (held !== undefined) showHeld(held);
}

/**
 * Shows what can be done now.
 * @param {Session} session
 */
export function showControls(session) {
  const { phase, choice, saved } = session;
  const focused = document.activeElement;
  const busy = isWorking(), on = Boolean(session.machine), known = Boolean(session.place);
  document.body.dataset.phase = phase; // for who watches the page, such as tests
  const text = textOf(session);
  if (status.textContent !== text) status.textContent = text;
  byId("machine-title", HTMLElement).textContent = on ? `Machine from ${visible(session.place?.exportName || "the default export")}` : "Machine";
  const apart = known && choice?.writes !== "through";
  const enabled = {
    "start": known && (phase === "off" || phase === "ready" && !saved), "pause": phase === "running" || phase === "paused", "restart": on, "power-off": phase !== "off",
    "save": apart && Boolean(session.name) && (phase === "running" || phase === "paused"),
    "resume": Boolean(saved), "boot-afresh": phase === "ready", "forget": Boolean(saved),
    "discard": apart && Boolean(session.identity), "commit": apart, "export-changes": apart, "import-changes": apart,
  };
  for (const [id, can] of Object.entries(enabled)) button(id).disabled = busy || !can;
  if (focused instanceof HTMLButtonElement && focused.disabled) byId("machine-title", HTMLElement).focus();
  button("pause").textContent = phase === "paused" ? "Run" : "Pause";
  byId("changes-where", HTMLElement).textContent = choice ? places[choice.writes] : "";
  showOffer(session);
}

/** @param {Session} session */
function textOf({ phase, machine, saved, waiting }) {
  if (phase === "running" && waiting) return waits;
  if (phase === "running" && machine?.halted) return halted;
  return phase === "ready" && saved ? choose : words[phase];
}

/** @param {Session} session */
function showOffer({ saved, phase, choice, stack }) {
  const facts = saved?.facts;
  byId("offer", HTMLElement).hidden = !facts;
  button("boot-afresh").hidden = phase !== "ready";
  const note = choice?.writes === "through" ? "Not where the machine writes to the export: it would not fit any more." : "";
  byId("saved-note", HTMLElement).textContent = note;
  if (!facts) return;
  const size = humanSize(facts.state + facts.digests);
  const held = stack && dirtyBytes(stack) > 0 ? ` The machine has ${humanSize(dirtyBytes(stack))} of changes.` : "";
  byId("offer-text", HTMLElement).textContent = `This machine was saved on ${new Date(facts.time).toLocaleString()}, with ${grouped(facts.memory / 2 ** 20)} MiB of memory, in ${size}. Resume it to go on at once.${held}`;
}
