// The launcher page: from a form to the bytes of a disk.
import { open } from "../client/index.js";
import { showError } from "./page/alert.js";
import { startConnection } from "./page/connection.js";
import { byId } from "./page/dom.js";
import { showFacts } from "./page/facts.js";
import { startMasthead } from "./page/masthead.js";
import { showOutages } from "./page/outage.js";
import { detachSectors, showSectors, startSectors } from "./sectors.js";

/** @typedef {import("../client/index.js").Disk} Disk */

const diskTitle = byId("disk-title", HTMLElement);
const diskNote = byId("disk-note", HTMLElement);
const diskOpen = byId("disk-open", HTMLElement);

/** @type {import("./page/connection.js").Connection | undefined} */
let connection;
/** The one disk that the page has open. @type {Disk | undefined} */
let disk;

/**
 * @param {import("./page/connection.js").Place} place
 * @param {AbortSignal} signal
 * @param {boolean} again
 */
async function openDisk(place, signal, again) {
  const opened = await open(place.url, { export: place.exportName, tls: place.tls, signal });
  disk = opened;
  if (signal.aborted) return;
  showDisk(opened, again);
  opened.closed.then((reason) => onClosed(opened, reason));
}

/**
 * @param {Disk} opened
 * @param {boolean} again
 */
function showDisk(opened, again) {
  diskNote.hidden = true;
  diskOpen.hidden = false;
  diskOpen.inert = false;
  showFacts(opened);
  showOutages(opened, "What you see is from before.");
  showSectors(opened, { resume: again });
  diskTitle.focus();
}

/**
 * Only a connection that ended by itself is news.
 * @param {Disk} ended
 * @param {unknown} reason
 */
function onClosed(ended, reason) {
  if (ended !== disk) return;
  const focus = diskOpen.contains(document.activeElement);
  connection?.lost("The connection was lost.", reason ?? "The server closed it.", { focus });
}

/**
 * Lets go of the disk.
 * @param {boolean} stay whether what was read stays in sight, out of use
 */
function closeDisk(stay) {
  const closing = disk;
  disk = undefined;
  detachSectors();
  diskOpen.inert = true;
  if (!stay) hideDisk();
  return closing?.close();
}

function hideDisk() {
  diskNote.hidden = false;
  diskOpen.hidden = true;
}

async function start() {
  startMasthead("Read a raw disk in the browser: NBD through a bridge, with TLS that ends in this page.", () => connection?.form.link() ?? {});
  startSectors((error) => showError("The sector could not be read.", error, { focus: false }));
  connection = await startConnection(byId("connection", HTMLElement), {
    action: "Connect", opening: "Opening the disk…", opened: "Connected.", failed: "The disk could not be opened.",
    open: openDisk, close: closeDisk,
  });
}

start().catch((error) => showError("The page could not start.", error));
