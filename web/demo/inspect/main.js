// The inspector: looks into a disk, and changes nothing on it.
import { open } from "../../client/index.js";
import { withCache } from "../../client/layers/index.js";
import { showError } from "../page/alert.js";
import { startConnection } from "../page/connection.js";
import { byId } from "../page/dom.js";
import { showFacts } from "../page/facts.js";
import { startMasthead } from "../page/masthead.js";
import { showOutages } from "../page/outage.js";
import { visible } from "../page/text.js";
import { Bytes } from "./bytes/index.js";
import { startFiles } from "./files/index.js";
import { startInspector } from "./inspector.js";
import { Overview } from "./overview/index.js";
import { Search } from "./search/index.js";
import { startTabs } from "./tabs.js";

/** @typedef {import("./session.js").Session} Session */
/** @typedef {import("../../client/index.js").Disk} Disk */

/** What the views of raw bytes keep in memory. */
const cache = { size: 32 << 20, lineSize: 64 << 10, readAhead: 256 << 10 };

const title = byId("disk-title", HTMLElement);
const connect = byId("connect-box", HTMLDetailsElement);
const work = byId("disk", HTMLElement);
const showTab = startTabs(byId("tabs", HTMLElement));
const report = (/** @type {string} */ what, /** @type {unknown} */ error) => showError(what, error, { focus: false });

const overview = new Overview();
const bytes = new Bytes(report);
const search = new Search(() => bytes.view.selection.cursor, report);

/** @type {import("../page/connection.js").Connection | undefined} */
let connection;
/** What is open, and its end. @type {{disk: Disk, end: () => void} | undefined} */
let opened;

/**
 * @param {import("../page/connection.js").Place} place
 * @param {AbortSignal} signal
 * @param {boolean} again
 */
async function openDisk(place, signal, again) {
  const disk = await open(place.url, { export: place.exportName, tls: place.tls, readOnly: true, signal });
  try {
    await inspect(disk, signal, again);
  } catch (error) {
    disk.close();
    throw error;
  }
  disk.closed.then((reason) => onClosed(disk, reason));
}

/** @param {Disk} disk @param {AbortSignal} signal @param {boolean} again */
async function inspect(disk, signal, again) {
  const inspector = await startInspector(disk, { signal });
  const ended = new AbortController();
  const end = () => {
    ended.abort(new DOMException("the disk was closed", "AbortError"));
    inspector.close();
  };
  try {
    const layout = await inspector.layout({ signal }).catch((error) => {
      signal.throwIfAborted();
      return withoutTables(disk.size, error);
    });
    show(disk, { device: disk, near: withCache(disk, cache), inspector, layout, signal: ended.signal, ...ways(), report }, again);
    signal.throwIfAborted();
    opened = { disk, end };
  } catch (error) {
    end();
    throw error;
  }
}

/**
 * A disk whose tables can't be read has its bytes still.
 * @param {number} size
 * @param {unknown} error
 * @returns {import("./inspector.js").Layout}
 */
function withoutTables(size, error) {
  const text = `The tables could not be read: ${error instanceof Error ? error.message : error}`;
  return { scheme: "none", size, sectorSize: 512, parts: [{ kind: "whole", offset: 0, length: size, typeName: "Whole disk" }], problems: [{ offset: 0, text }] };
}

/** @type {import("./files/index.js").Files | undefined} */
let files;

/** How one part of the page leads to another. @returns {Pick<Session, "browse" | "showBytes" | "searchIn">} */
function ways() {
  return {
    browse: (part) => {
      showTab("tab-files", true);
      files?.browse(part);
    },
    showBytes: (offset, length = 1) => {
      showTab("tab-bytes");
      bytes.view.show(offset, length);
      bytes.view.focus();
    },
    searchIn: (part) => {
      showTab("tab-search");
      search.choose(part);
    },
  };
}

/** @param {Disk} disk @param {Session} session @param {boolean} again whether the views stay where they were */
function show(disk, session, again) {
  work.hidden = false;
  work.inert = false;
  connect.open = false;
  title.textContent = visible(disk.exportName) || "Default export";
  showFacts(disk);
  showOutages(disk, "What you see is from before.");
  if (!again) showTab("tab-overview");
  overview.show(session);
  bytes.show(session, again);
  search.show(session);
  files = startFiles(byId("files", HTMLElement), session);
  title.focus();
}

/** Only a connection that ended by itself is news. @param {Disk} ended @param {unknown} reason */
async function onClosed(ended, reason) {
  if (ended !== opened?.disk) return;
  const focus = work.contains(document.activeElement);
  await connection?.lost("The connection was lost.", reason ?? "The server closed it.", { focus });
  work.hidden = false; // what was shown stays in sight, out of use
}

function closeDisk() {
  const closing = opened;
  opened = undefined;
  closing?.end();
  files?.close();
  files = undefined;
  bytes.close();
  work.inert = true;
  work.hidden = true;
  connect.open = true;
  closing?.disk.close(); // it may take a while, and nobody waits for it
}

async function start() {
  startMasthead("Look into a disk: its partitions, its files and its bytes. Nothing on it is changed.", () => connection?.form.link() ?? {});
  byId("disconnect", HTMLButtonElement).addEventListener("click", () => byId("stop", HTMLButtonElement).click());
  connection = await startConnection(byId("connection", HTMLElement), {
    action: "Inspect", opening: "Opening the disk…", opened: "Connected.", failed: "The disk could not be opened.",
    open: openDisk, close: closeDisk,
  });
}

start().catch((error) => showError("The page could not start.", error));
