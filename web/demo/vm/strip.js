// The numbers of a machine that runs, and its map, a few times a second.
import { byId } from "../page/dom.js";
import { grouped, humanSize } from "../page/text.js";
import { drawMap } from "./map.js";
import { dirtyBytes } from "./stack.js";

/** @typedef {import("./stack.js").Stack} Stack */

/** Milliseconds between updates: at most four a second. */
const period = 250;
/** Updates from one look at the changes to the next: that costs more the more pieces they have. */
const dirtyEvery = 4;

/** @type {Stack | undefined} */ let stack;
/** @type {ReturnType<typeof setInterval> | undefined} */ let timer;
let drawn = -1, ticks = 0, seen = -1;

/** Makes the map fit when the page changes. */
export function startStrip() {
  new ResizeObserver(() => drawMap(stack?.map)).observe(/** @type {HTMLElement} */ (byId("map", HTMLElement).parentElement));
  for (const query of ["(prefers-color-scheme: dark)", "(forced-colors: active)"]) matchMedia(query).addEventListener("change", () => drawMap(stack?.map));
}

/** @param {Stack | undefined} shown none: the numbers stay as they are */
export function watchStack(shown) {
  clearInterval(timer);
  ticks = 0; // what was written last is looked at
  if (stack) update();
  stack = shown;
  drawn = seen = -1;
  ticks = 0;
  if (!shown) return;
  update();
  timer = setInterval(update, period);
}

function update() {
  if (!stack) return;
  const { disk, counts, map } = stack;
  const { requests, bytesRead, latency } = disk.stats();
  put("requests", grouped(requests));
  put("trips", grouped(counts.trips));
  put("hits", counts.reads ? `${Math.round(counts.hits / counts.reads * 100)} %` : "–");
  put("reads", counts.reads ? `${grouped(counts.hits)} of ${grouped(counts.reads)} reads` : "");
  put("received", humanSize(bytesRead));
  put("written", humanSize(counts.written));
  put("p50", requests ? milliseconds(latency.p50) : "–");
  put("p95", requests ? `p95 ${milliseconds(latency.p95)}` : "");
  if (ticks++ % dirtyEvery === 0 && seen !== counts.written) showDirty(stack);
  if (drawn === map.changes) return;
  drawn = map.changes;
  drawMap(map);
}

/** @param {Stack} shown */
function showDirty(shown) {
  seen = shown.counts.written;
  showHeld(dirtyBytes(shown));
}

/** Shows how much is changed, also where no machine has it. @param {number} bytes */
export function showHeld(bytes) {
  const text = bytes ? humanSize(bytes) : "nothing";
  const field = byId("dirty", HTMLElement);
  if (field.textContent !== text) field.textContent = text;
}

/** @param {string} name @param {string} text */
function put(name, text) {
  const field = byId(`stat-${name}`, HTMLElement);
  if (field.textContent !== text) field.textContent = text;
}

/** @param {number} n */
const milliseconds = (n) => `${n < 10 ? n.toFixed(1) : Math.round(n)} ms`;
