// The live view of one sector: moves, reads, shows.
import { byId, element } from "./page/dom.js";
import { SECTOR, hasBootSignature, offsetDigits, parsePosition, rows, sectorCount } from "./hexview.js";
import { grouped } from "./page/text.js";

/** @typedef {import("../client/index.js").Disk} Disk */

const view = byId("hex", HTMLElement);
const body = byId("hex-rows", HTMLTableSectionElement);
const status = byId("sector-status", HTMLElement);
const position = byId("position", HTMLInputElement);
const unit = byId("unit", HTMLSelectElement);
const narrow = matchMedia("(max-width: 47.99rem)");

/** @type {Disk | undefined} */
let disk;
let sector = 0;
/** The byte that was asked for, or -1. */
let mark = -1;
let bytes = new Uint8Array(0);
/** Ends the read under way. */
let reading = new AbortController();
/** @type {(error: unknown) => void} */
let report = () => {};

/**
 * Makes the controls work.
 * @param {(error: unknown) => void} onError told of reads that failed
 */
export function startSectors(onError) {
  report = onError;
  for (const [id, to] of Object.entries(MOVES)) {
    byId(id, HTMLButtonElement).addEventListener("click", () => go(to()));
  }
  byId("goto", HTMLFormElement).addEventListener("submit", (event) => {
    event.preventDefault();
    goToPosition();
  });
  position.addEventListener("input", () => position.setCustomValidity(""));
  unit.addEventListener("change", () => position.setCustomValidity(""));
  view.addEventListener("keydown", onKey);
  narrow.addEventListener("change", draw);
}

/** Where each button leads; brought into the disk later. */
const MOVES = {
  first: () => 0,
  previous: () => sector - 1,
  next: () => sector + 1,
  last: () => Infinity,
};

/** @type {Record<string, () => number>} */
const KEYS = { Home: MOVES.first, PageUp: MOVES.previous, PageDown: MOVES.next, End: MOVES.last };

/** @param {KeyboardEvent} event */
function onKey(event) {
  const to = KEYS[event.key];
  if (!to || event.ctrlKey || event.altKey || event.metaKey) return;
  event.preventDefault();
  go(to());
}

/**
 * Shows the sectors of a disk, from the first or from where the view stood.
 * @param {Disk} opened
 * @param {{resume?: boolean}} [options]
 */
export function showSectors(opened, { resume = false } = {}) {
  disk = opened;
  body.replaceChildren();
  go(resume ? sector : 0);
}

/** Forgets the disk; what was read stays in sight. */
export function detachSectors() {
  reading.abort();
  disk = undefined;
  view.removeAttribute("aria-busy");
}

function goToPosition() {
  const n = parsePosition(position.value);
  const count = disk ? (unit.value === "byte" ? disk.size : sectorCount(disk.size)) : 0;
  if (n === undefined || n >= count) {
    position.setCustomValidity(`Type a ${unit.value} from 0 to ${grouped(Math.max(0, count - 1))}: decimal, or hexadecimal after 0x.`);
    position.reportValidity();
    return;
  }
  if (unit.value === "byte") go(Math.floor(n / SECTOR), n);
  else go(n);
}

/**
 * Reads a sector and shows it. A read that is still under way is given up.
 * @param {number} to brought into the disk
 * @param {number} [byte] an offset on the disk to point out
 */
async function go(to, byte = -1) {
  if (!disk) return;
  reading.abort();
  const mine = reading = new AbortController();
  sector = Math.max(0, Math.min(to, sectorCount(disk.size) - 1));
  mark = byte;
  const offset = sector * SECTOR;
  const length = Math.min(SECTOR, disk.size - offset);
  view.setAttribute("aria-busy", "true");
  try {
    const began = performance.now();
    const read = await disk.read(offset, length, { signal: mine.signal });
    if (mine !== reading) return;
    bytes = read;
    draw();
    tell(performance.now() - began);
  } catch (error) {
    if (!mine.signal.aborted) fail(error);
  } finally {
    if (mine === reading) view.removeAttribute("aria-busy");
  }
}

/**
 * Leaves no bytes of another sector standing.
 * @param {unknown} error
 */
function fail(error) {
  body.replaceChildren();
  status.textContent = `Sector ${grouped(sector)} could not be read.`;
  report(error);
}

function draw() {
  if (!disk) return;
  const layout = { width: narrow.matches ? 8 : 16, digits: offsetDigits(disk.size) };
  body.replaceChildren(...rows(bytes, sector * SECTOR, layout).map((row) => {
    const line = element("tr");
    const offset = element("th", row.offset);
    offset.scope = "row";
    line.append(offset, element("td", row.hex), element("td", row.text));
    line.classList.toggle("zero", row.zero);
    line.classList.toggle("here", mark >= row.at && mark < row.at + layout.width);
    return line;
  }));
}

/** @param {number} milliseconds */
function tell(milliseconds) {
  if (!disk) return;
  const count = sectorCount(disk.size);
  if (count === 0) {
    status.textContent = "The disk is empty.";
    return;
  }
  const from = sector * SECTOR;
  const signature = sector === 0 && hasBootSignature(bytes) ? " It ends in the boot signature 55 AA." : "";
  status.textContent = `Sector ${grouped(sector)} of 0–${grouped(count - 1)}, bytes ${grouped(from)} to ` +
    `${grouped(from + bytes.length - 1)}, read in ${milliseconds.toFixed(1)} ms.${signature}`;
}
