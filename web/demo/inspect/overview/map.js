// The picture of a disk's blocks: data, zeros, holes, and what nobody told.
import { grouped, humanSize } from "../../page/text.js";
import { Cells } from "./survey.js";

/** Cells of the picture at most, and in a row. */
const [maxCells, columns] = [4096, 128];

/** What of a cell that has any data at all is drawn as data, at least. */
const leastData = 0.5;

export class BlockMap {
  #canvas;
  #hint;
  #cells = new Cells(0, maxCells);
  #frame = 0;
  /** @type {[first: number, last: number]} */ #changed = [Infinity, -1];

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {HTMLElement} hint says what is under the pointer
   * @param {(offset: number) => void} onChoose
   */
  constructor(canvas, hint, onChoose) {
    this.#canvas = canvas;
    this.#hint = hint;
    canvas.addEventListener("pointermove", (event) => this.#onMove(event));
    canvas.addEventListener("click", (event) => {
      const index = this.#under(event);
      if (index >= 0) onChoose(index * this.#cells.cellSize);
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#drawAll());
  }

  /** @param {number} size of the disk, in bytes */
  begin(size) {
    this.#cells = new Cells(size, maxCells);
    this.#canvas.width = Math.max(1, Math.min(columns, this.#cells.count));
    this.#canvas.height = Math.max(1, Math.ceil(this.#cells.count / columns));
    this.#hint.textContent = `Each of ${grouped(this.#cells.count)} cells is ${humanSize(this.#cells.cellSize)}.`;
  }

  /** @param {readonly import("../../../client/ranges.js").Extent[]} extents in order */
  add(extents) {
    const last = extents.at(-1);
    if (!last) return;
    this.#cells.add(extents);
    const { cellSize } = this.#cells;
    const [first, end] = this.#changed;
    this.#changed = [Math.min(first, Math.floor(extents[0].offset / cellSize)), Math.max(end, Math.floor((last.offset + last.length - 1) / cellSize))];
    this.#frame ||= requestAnimationFrame(() => this.#draw());
  }

  #drawAll() {
    this.#changed = [0, this.#cells.count - 1];
    this.#draw();
  }

  #draw() {
    this.#frame = 0;
    const context = this.#canvas.getContext("2d");
    const [first, last] = this.#changed;
    this.#changed = [Infinity, -1];
    if (!context) return;
    const style = getComputedStyle(this.#canvas);
    const colours = ["--data-0", "--data-2", "--data-1"].map((name) => style.getPropertyValue(name));
    for (let i = first; i <= last && i < this.#cells.count; i++) this.#drawCell(context, i, colours);
  }

  /** Hole below, zeros over it, data over both. @param {CanvasRenderingContext2D} context @param {number} index @param {string[]} colours */
  #drawCell(context, index, [hole, zero, data]) {
    const shares = this.#cells.shares(index);
    const [x, y] = [index % columns, Math.floor(index / columns)];
    context.clearRect(x, y, 1, 1);
    if (!shares) return;
    const layers = /** @type {const} */ ([[hole, 1], [zero, shares.zero && shares.zero / (shares.zero + shares.hole)], [data, shares.data && Math.max(leastData, shares.data)]]);
    for (const [colour, alpha] of layers) {
      context.globalAlpha = alpha;
      context.fillStyle = colour;
      context.fillRect(x, y, 1, 1);
    }
    context.globalAlpha = 1;
  }

  /** The cell under the pointer, or -1. @param {MouseEvent} event */
  #under({ offsetX, offsetY }) {
    const x = Math.floor(offsetX / this.#canvas.clientWidth * this.#canvas.width);
    const y = Math.floor(offsetY / this.#canvas.clientHeight * this.#canvas.height);
    const index = y * columns + x;
    return index >= 0 && index < this.#cells.count ? index : -1;
  }

  /** @param {MouseEvent} event */
  #onMove(event) {
    const index = this.#under(event);
    if (index < 0) return;
    const from = index * this.#cells.cellSize;
    const shares = this.#cells.shares(index);
    const parts = shares ? Object.entries(shares).filter(([, share]) => share > 0).map(([type, share]) => `${percent(share)} ${type}`).join(", ") : "not asked";
    this.#hint.textContent = `From byte ${grouped(from)}, ${humanSize(Math.min(this.#cells.cellSize, this.#cells.size - from))}: ${parts}.`;
  }
}

/** @param {number} share of 1 */
export function percent(share) {
  if (share > 0 && share < 0.001) return "under 0.1 %";
  if (share > 0.999 && share < 1) return "over 99.9 %";
  return `${Number((share * 100).toFixed(share < 0.1 ? 1 : 0))} %`;
}
