// The bytes of a disk, of which a few rows at a time are in sight.
import { Blocks } from "./blocks.js";
import { Marks } from "./marks.js";
import { offsetDigits } from "./position.js";
import { Rows } from "./rows.js";
import { ScrollModel } from "./scroll.js";
import { Selection, keyTarget } from "./selection.js";

/** @typedef {import("../../../client/device.js").BlockDevice} BlockDevice */

/**
 * @typedef {object} Watcher
 * @property {() => void} moved the cursor, the selection or the bytes under them are others
 * @property {(error: unknown) => void} failed a read failed, and not because of the bytes that were read
 */

/** Height of a row without the style sheet's word on it, in pixels. */
const usualHeight = 20;

export class ByteView {
  scroll = new ScrollModel();
  selection = new Selection(0);
  /** @type {Blocks | undefined} */ blocks;
  /** @type {Marks | undefined} */ marks;
  /** Bytes in a row. */
  width = 16;
  /** Ranges that are outlined. @type {readonly {offset: number, length: number}[]} */ bookmarks = [];
  size = 0;
  #grid;
  #bar;
  #spacer;
  #rows;
  #watcher;
  #frame = 0;
  /** Ends the reads of what is no more in sight. */
  #reading = new AbortController();
  /** What is being read. */
  #wanted = "";
  /** Where the scroll bar was put from here. */
  #placed = -1;
  /** How far the scroll bar can go, in pixels. */
  #room = 0;
  /** Whether the user holds the scroll bar: it is not put anywhere then. */
  #led = false;

  /**
   * @param {HTMLElement} grid
   * @param {HTMLElement} bar the scroll bar, with one child that gives it its height
   * @param {Watcher} watcher
   */
  constructor(grid, bar, watcher) {
    this.#grid = grid;
    this.#bar = bar;
    this.#spacer = /** @type {HTMLElement} */ (bar.firstElementChild);
    this.#rows = new Rows(grid);
    this.#watcher = watcher;
    bar.addEventListener("scroll", () => this.#onBar());
    grid.addEventListener("wheel", (event) => this.#onWheel(event), { passive: false });
    grid.addEventListener("keydown", (event) => this.#onKey(event));
    new ResizeObserver(() => this.#measure()).observe(grid);
  }

  /** @param {BlockDevice} near @param {BlockDevice} device @param {boolean} again whether the cursor stays */
  attach(near, device, again) {
    this.detach();
    const at = again ? this.selection.cursor : 0;
    this.size = device.size;
    this.blocks = new Blocks(near, device);
    this.marks = new Marks(this.blocks);
    this.selection = new Selection(device.size);
    this.selection.moveTo(at);
    this.scroll.shape({ rows: Math.ceil(this.size / this.width) });
    this.scroll.jump(Math.floor(this.selection.cursor / this.width));
    this.#measure();
    this.#changed();
  }

  /** Forgets the disk; what was read stays in sight. */
  detach() {
    this.#reading.abort();
    this.#wanted = "";
    this.blocks = this.marks = undefined;
  }

  /** Brings bytes into sight, and chooses them. @param {number} offset @param {number} [length] */
  show(offset, length = 1) {
    this.selection.choose(offset, length);
    this.scroll.jump(Math.floor(this.selection.cursor / this.width));
    this.#changed();
  }

  focus() {
    this.#grid.focus({ preventScroll: true });
  }

  /** @param {number} offset @param {boolean} extend */
  move(offset, extend) {
    this.selection.moveTo(offset, extend);
    this.scroll.reveal(Math.floor(this.selection.cursor / this.width));
    this.#changed();
  }

  /** @param {number} rows */
  scrollBy(rows) {
    if (this.scroll.moveTo(this.scroll.top + rows)) this.redraw();
  }

  /** The offset under a point of the window. @param {number} x @param {number} y */
  offsetAt(x, y) {
    const hit = this.#rows.at(x, y);
    if (!hit) return undefined;
    const offset = (this.scroll.top + hit.index) * this.width + hit.column;
    return offset < this.size ? offset : undefined;
  }

  /** Reads again what could not be read. */
  retry() {
    this.blocks?.forgetBad();
    this.#wanted = "";
    this.redraw();
  }

  #changed() {
    this.redraw();
    this.#watcher.moved();
  }

  redraw() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#draw();
    });
  }

  /** Fits as many rows and bytes as there is room for. */
  #measure() {
    const { clientHeight, clientWidth } = this.#grid;
    if (clientHeight === 0) return; // not in sight
    const style = getComputedStyle(this.#grid);
    const character = parseFloat(style.getPropertyValue("font-size")) * 0.602; // what monospaced fonts agree on
    const first = this.scroll.top * this.width;
    this.width = clientWidth >= (offsetDigits(this.size) + 16 * 4 + 8) * character ? 16 : 8;
    const rowHeight = parseFloat(style.lineHeight) || usualHeight;
    this.scroll.shape({ rows: Math.ceil(this.size / this.width), visible: Math.floor(clientHeight / rowHeight) - 1, rowHeight });
    this.#rows.shape(this.scroll.visible, this.width, offsetDigits(this.size));
    this.#grid.setAttribute("aria-colcount", String(this.width + 2));
    this.#grid.setAttribute("aria-rowcount", String(this.scroll.rows + 1));
    this.scroll.moveTo(Math.floor(first / this.width));
    this.#spacer.style.height = `${this.scroll.height}px`;
    this.#room = Math.max(0, this.#bar.scrollHeight - this.#bar.clientHeight);
    this.redraw();
  }

  #draw() {
    const { scroll, width, blocks } = this;
    if (!blocks || this.#grid.clientHeight === 0 || this.#rows.count === 0) return; // in sight for the first time: it is measured next
    const marked = this.#bookmarksInSight();
    const digits = offsetDigits(this.size);
    for (let i = 0; i < scroll.visible; i++) {
      const offset = (scroll.top + i) * width;
      this.#rows.draw(i, offset < this.size ? offset : -1, digits, offset < this.size ? this.#looks(offset, marked) : []);
    }
    this.#placeBar();
    this.#pointOut();
    this.#load(blocks);
  }

  #bookmarksInSight() {
    const [from, to] = this.inSight();
    return this.bookmarks.filter(({ offset, length }) => offset < to && offset + length > from);
  }

  /** @returns {[from: number, to: number]} */
  inSight() {
    return [this.scroll.top * this.width, Math.min(this.size, (this.scroll.top + this.scroll.visible) * this.width)];
  }

  /**
   * @param {number} offset of a row
   * @param {readonly {offset: number, length: number}[]} marked
   * @returns {import("./rows.js").Look[]}
   */
  #looks(offset, marked) {
    const bytes = this.blocks?.rowAt(offset, this.width);
    return Array.from({ length: Math.min(this.width, this.size - offset) }, (_, i) => this.#look(offset + i, bytes && bytes[i], marked));
  }

  /**
   * @param {number} offset
   * @param {number | null | undefined} byte
   * @param {readonly {offset: number, length: number}[]} marked
   */
  #look(offset, byte, marked) {
    const mark = byte === undefined ? undefined : this.marks?.at(offset);
    const classes = [];
    if (byte === 0) classes.push("zero");
    if (byte === null) classes.push("bad");
    if (mark) classes.push(`field-${mark.colour}`);
    if (mark?.field.offset === offset) classes.push("field-start");
    if (marked.some((m) => offset >= m.offset && offset < m.offset + m.length)) classes.push("bookmark");
    if (this.selection.has(offset)) classes.push("chosen");
    if (offset === this.selection.cursor) classes.push("cursor");
    return { byte, classes: classes.join(" "), label: labelOf(byte, mark) };
  }

  /** Tells screen readers which byte the cursor is on, if it is in sight. */
  #pointOut() {
    const row = Math.floor(this.selection.cursor / this.width) - this.scroll.top;
    const id = row >= 0 && row < this.scroll.visible && this.size > 0 ? this.#rows.idOf(row, this.selection.cursor % this.width) : undefined;
    if (id) this.#grid.setAttribute("aria-activedescendant", id);
    else this.#grid.removeAttribute("aria-activedescendant");
  }

  /** @param {Blocks} blocks */
  #load(blocks) {
    const [from, to] = this.inSight();
    const wanted = `${from}-${to}`;
    if (wanted === this.#wanted) return;
    this.#wanted = wanted;
    this.#reading.abort();
    const mine = this.#reading = new AbortController();
    blocks.load(from, to, mine.signal).then((news) => {
      if (news && mine === this.#reading && !mine.signal.aborted) this.#changed();
    }, (error) => {
      if (mine.signal.aborted) return;
      this.#wanted = "";
      this.#watcher.failed(error);
    });
  }

  #placeBar() {
    const place = Math.round(this.scroll.place(this.#room));
    if (!this.#led && this.#placed !== place) {
      this.#bar.scrollTop = place;
      this.#placed = place;
    }
    this.#led = false;
  }

  #onBar() {
    const { scrollTop } = this.#bar;
    if (Math.abs(scrollTop - this.#placed) < 1) return;
    this.#placed = -1;
    this.#led = this.scroll.follow(scrollTop, this.#room);
    if (this.#led) this.redraw();
  }

  /** @param {WheelEvent} event */
  #onWheel(event) {
    if (event.ctrlKey || event.deltaY === 0) return; // zooms, or goes sideways
    const unit = [1, this.scroll.rowHeight, this.scroll.rowHeight * this.scroll.visible][event.deltaMode];
    if (!this.scroll.wheel(event.deltaY * unit)) return; // the page scrolls on
    event.preventDefault();
    this.redraw();
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    if (event.altKey || event.metaKey || this.size === 0) return;
    const { width, size, scroll: { visible: page }, selection: { cursor } } = this;
    const to = keyTarget({ key: event.key, ctrl: event.ctrlKey }, { cursor, width, page, size });
    if (to === undefined) return;
    event.preventDefault();
    this.move(to, event.shiftKey);
  }
}

/** @param {number | null | undefined} byte @param {import("./marks.js").Mark | undefined} mark */
function labelOf(byte, mark) {
  const value = byte === null ? "can’t be read" : byte === undefined ? "not read yet" : "";
  if (!mark) return value;
  return `${value || byte?.toString(16).padStart(2, "0")}, ${mark.structure.name}: ${mark.field.name}`;
}
