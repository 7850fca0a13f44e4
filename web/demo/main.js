// The launcher page: from a form to the bytes of a disk.
import { list, open } from "../client/index.js";
import { hideError, showError } from "./alert.js";
import { byId } from "./dom.js";
import { focusExports, showExports } from "./exports.js";
import { showFacts } from "./facts.js";
import { fillForm, readForm, startForm } from "./form.js";
import { fetchLocalDemo } from "./local.js";
import { detachSectors, showSectors, startSectors } from "./sectors.js";

/**
 * @typedef {import("../client/index.js").Disk} Disk
 * @typedef {import("./form.js").Place} Place
 */

const status = byId("status", HTMLElement);
const stop = byId("stop", HTMLButtonElement);
const main = document.querySelector("main");
const diskTitle = byId("disk-title", HTMLElement);
const diskNote = byId("disk-note", HTMLElement);
const diskOpen = byId("disk-open", HTMLElement);

/** The one disk that the page has open. @type {Disk | undefined} */
let disk;
/** Ends the list or open under way. @type {AbortController | undefined} */
let task;

/**
 * Does one thing that takes time. What was under way before is given up.
 * @param {string} doing shown while it lasts
 * @param {string} failed shown when it fails
 * @param {(signal: AbortSignal) => Promise<void>} work
 * @param {() => void} [retry] what a button "Reconnect" does if it fails
 */
async function run(doing, failed, work, retry) {
  task?.abort();
  const mine = task = new AbortController();
  hideError();
  showState(doing);
  try {
    await work(mine.signal);
  } catch (error) {
    if (!mine.signal.aborted) showError(failed, error, { retry });
  }
  if (task !== mine) return;
  task = undefined;
  if (!disk) hideDisk();
  showState();
}

/** @param {string} [doing] */
function showState(doing) {
  main?.setAttribute("aria-busy", String(Boolean(doing)));
  stop.textContent = doing ? "Cancel" : "Disconnect";
  stop.disabled = !doing && !disk;
  status.textContent = doing ?? (disk ? "Connected." : "Not connected.");
}

/** @param {{focus?: boolean}} [options] */
function listExports({ focus = true } = {}) {
  return run("Listing the exports…", "The exports could not be listed.", async (signal) => {
    const place = readForm();
    const entries = await list(place.url, { tls: place.tls, signal });
    signal.throwIfAborted();
    showExports(entries, (name) => openDisk(() => ({ ...place, exportName: name })));
    if (focus) focusExports();
  });
}

/**
 * Opens a disk in place of the one before.
 * @param {() => Place} choose
 * @param {{resume?: boolean}} [options]
 */
function openDisk(choose, options) {
  const retry = options?.resume ? () => { openDisk(choose, options); } : undefined;
  return run("Opening the disk…", "The disk could not be opened.", async (signal) => {
    const place = choose();
    closeDisk();
    const opened = await open(place.url, { export: place.exportName, tls: place.tls, signal, reconnect: false });
    if (signal.aborted) return void opened.close();
    disk = opened;
    showDisk(opened, options);
    opened.closed.then((reason) => onClosed(opened, place, reason));
  }, retry);
}

/**
 * @param {Disk} opened
 * @param {{resume?: boolean}} [options]
 */
function showDisk(opened, options) {
  diskNote.hidden = true;
  diskOpen.hidden = false;
  diskOpen.inert = false;
  showFacts(opened);
  showSectors(opened, options);
  diskTitle.focus();
}

/**
 * Only a connection that ended by itself is news.
 * @param {Disk} ended
 * @param {Place} place
 * @param {unknown} reason
 */
function onClosed(ended, place, reason) {
  if (ended !== disk) return;
  const focus = diskOpen.contains(document.activeElement);
  closeDisk();
  showState();
  const retry = () => { openDisk(() => place, { resume: true }); };
  showError("The connection was lost.", reason ?? "The server closed it.", { retry, focus });
}

/** Lets go of the disk. What was shown of it stays in sight, out of use. */
function closeDisk() {
  const closing = disk;
  disk = undefined;
  detachSectors();
  diskOpen.inert = true;
  closing?.close();
}

function hideDisk() {
  diskNote.hidden = false;
  diskOpen.hidden = true;
}

function onStop() {
  const cancelling = task;
  task = undefined;
  cancelling?.abort();
  if (!cancelling) closeDisk();
  if (!disk) hideDisk();
  hideError();
  showState();
  byId("list", HTMLButtonElement).focus(); // this button may be disabled now
}

async function start() {
  startForm((error) => showError("The file was not read.", error));
  startSectors((error) => showError("The sector could not be read.", error, { focus: false }));
  byId("list", HTMLButtonElement).addEventListener("click", () => listExports());
  stop.addEventListener("click", onStop);
  byId("connect", HTMLFormElement).addEventListener("submit", (event) => {
    event.preventDefault();
    openDisk(readForm);
  });
  showState();
  const demo = await fetchLocalDemo();
  if (!demo) return;
  fillForm(demo);
  byId("demo-notice", HTMLElement).hidden = false;
  await listExports({ focus: false });
}

start().catch((error) => showError("The page could not start.", error));
