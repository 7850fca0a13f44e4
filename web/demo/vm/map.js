// The map of the blocks that a machine has touched.
import { byId } from "../page/dom.js";
import { grouped, humanSize } from "../page/text.js";

/** @typedef {import("./blockmap.js").BlockMap} BlockMap */
/** @typedef {import("./blockmap.js").Kind} Kind */

const canvas = byId("map", HTMLCanvasElement);
const summary = byId("map-summary", HTMLElement);
const scale = byId("map-scale", HTMLElement);

/** Pixels of the page for a cell, with the gap to the next. */
const pitch = 10, gap = 2;
/** Each kind has a colour and a shape: the part of the cell that is filled, from below. @type {Record<Kind, {color: string, fill: number}>} */
const looks = {
  read: { color: "--data-2", fill: 0.6 },
  hit: { color: "--data-1", fill: 1 },
  written: { color: "--data-3", fill: 1 },
};

/**
 * @param {BlockMap | undefined} map
 */
export function drawMap(map) {
  const width = canvas.parentElement?.clientWidth ?? 0;
  const columns = Math.max(1, Math.floor((width + gap) / pitch));
  const rows = Math.ceil((map?.length ?? columns) / columns);
  const context = sized(columns * pitch - gap, rows * pitch - gap);
  if (!context) return;
  const style = getComputedStyle(canvas);
  for (let i = 0; i < (map?.length ?? columns); i++) {
    cell(context, style, (i % columns) * pitch, Math.floor(i / columns) * pitch, map?.at(i));
  }
  describe(map);
}

/** @param {number} width @param {number} height @returns {CanvasRenderingContext2D | null} of points of the page */
function sized(width, height) {
  const ratio = globalThis.devicePixelRatio || 1;
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== w) canvas.width = w;
  if (canvas.height !== h) canvas.height = h;
  Object.assign(canvas.style, { width: `${width}px`, height: `${height}px` });
  const context = canvas.getContext("2d");
  context?.setTransform(ratio, 0, 0, ratio, 0, 0);
  context?.clearRect(0, 0, width, height);
  return context;
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {CSSStyleDeclaration} style
 * @param {number} x
 * @param {number} y
 * @param {Kind | undefined} kind
 */
function cell(context, style, x, y, kind) {
  const side = pitch - gap;
  context.fillStyle = style.getPropertyValue("--data-0");
  context.fillRect(x, y, side, side);
  if (!kind) return;
  const { color, fill } = looks[kind];
  context.fillStyle = style.getPropertyValue(color);
  context.fillRect(x, y + side * (1 - fill), side, side * fill);
  if (kind !== "written") return;
  context.fillStyle = style.getPropertyValue("--data-0");
  context.fillRect(x + side / 2 - 1, y + side / 2 - 1, 2, 2);
}

/** @param {BlockMap | undefined} map */
function describe(map) {
  if (!map) {
    scale.textContent = summary.textContent = "";
    return;
  }
  const { read, hit, written } = map.counts();
  scale.textContent = `${grouped(map.length)} cells of ${humanSize(map.cellSize)} each.`;
  summary.textContent = `Of ${grouped(map.length)} cells, ${grouped(map.length - read - hit - written)} are untouched, ` +
    `${grouped(read)} were read from the server, ${grouped(hit)} again from the cache, and ${grouped(written)} were written.`;
}
