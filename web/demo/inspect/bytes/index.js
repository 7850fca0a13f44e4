// The bytes of a disk: the view, what leads to a place in it, and what can be
// done with what is chosen.
import { copyText } from "../../page/clipboard.js";
import { byId } from "../../page/dom.js";
import { ProgressBar } from "../../page/progress.js";
import { grouped, humanSize, visible } from "../../page/text.js";
import { region } from "../../../client/layers/region.js";
import { saveAs } from "../../../client/save/index.js";
import { titleOf } from "../overview/bar.js";
import { BookmarksPanel } from "./bookmarkspanel.js";
import { asHex, asText, maxCopy } from "./copy.js";
import { startGoTo } from "./goto.js";
import { startPointer } from "./pointer.js";
import { hexOffset } from "./position.js";
import { Side } from "./side.js";
import { ByteView } from "./view.js";

/** @typedef {import("../session.js").Session} Session */

export class Bytes {
  #grid = byId("hex-grid", HTMLElement);
  #where = byId("hex-where", HTMLElement);
  #status = byId("hex-status", HTMLElement);
  #bad = byId("hex-bad", HTMLElement);
  #progress = new ProgressBar();
  #shown = false;
  /** @type {Session | undefined} */ #session;

  /** @param {(what: string, error: unknown) => void} report */
  constructor(report) {
    this.report = report;
    this.view = new ByteView(this.#grid, byId("hex-bar", HTMLElement), {
      moved: () => this.#draw(),
      failed: (error) => this.report("The bytes could not be read.", error),
    });
    this.side = new Side(this.view);
    this.bookmarks = new BookmarksPanel(this.view, report);
    this.goTo = startGoTo(this.view);
    startPointer(this.#grid, this.view);
    this.#grid.addEventListener("keydown", (event) => this.#onKey(event));
    this.#grid.addEventListener("pointermove", (event) => this.#onHover(event));
    byId("hex-progress", HTMLElement).replaceWith(this.#progress.element);
    this.#startButtons();
  }

  #startButtons() {
    const actions = {
      "hex-first": () => this.view.show(0), "hex-last": () => this.view.show(Math.max(0, this.view.size - 1)),
      "copy-hex": () => { this.#copy(asHex, "hexadecimal"); }, "copy-text": () => { this.#copy(asText, "text"); },
      "save-selection": () => { this.#save(); }, "hex-retry": () => this.view.retry(), "hex-say": () => this.say(),
    };
    for (const [id, action] of Object.entries(actions)) byId(id, HTMLButtonElement).addEventListener("click", action);
  }

  /** @param {Session} session @param {boolean} again whether the cursor stays where it was */
  show(session, again) {
    this.#session = session;
    this.#shown = true;
    this.goTo.show(session.layout);
    this.view.attach(session.near, session.device, again);
    this.bookmarks.show(session.device);
  }

  close() {
    this.#session = undefined;
    this.view.detach();
  }

  #draw() {
    if (!this.#shown) return;
    const { from, length, cursor } = this.view.selection;
    this.#where.textContent = length === 0 ? "The disk is empty." : length > 1
      ? `${grouped(length)} bytes${length < 1024 ? "" : ` (${humanSize(length)})`} selected, 0x${hexOffset(from)} to 0x${hexOffset(from + length - 1)}.`
      : `Byte ${grouped(cursor)}, 0x${hexOffset(cursor)}, in sector ${grouped(Math.floor(cursor / 512))}${this.#partText(cursor)}.${this.#fieldText(cursor)}`;
    this.side.draw();
    this.#tellBad();
  }

  /** @param {number} offset */
  #partText(offset) {
    const part = this.#session?.layout.parts.find((p) => offset >= p.offset && offset < p.offset + p.length);
    return part ? `, ${titleOf(part)}${part.offset > 0 ? ` + 0x${hexOffset(offset - part.offset)}` : ""}` : "";
  }

  /** @param {number} offset */
  #fieldText(offset) {
    const mark = this.view.marks?.at(offset);
    return mark ? ` ${mark.structure.name}: ${mark.field.name}${mark.field.value ? `, ${visible(mark.field.value)}` : ""}.` : "";
  }

  /** Says which rows in sight can't be read. */
  #tellBad() {
    const { blocks, width } = this.view;
    const [from, to] = this.view.inSight();
    let first = -1, count = 0;
    for (let at = from; at < to; at += width) {
      if (blocks?.rowAt(at, width)?.[0] !== null) continue;
      if (first < 0) first = at;
      count++;
    }
    this.#bad.hidden = count === 0;
    if (count === 0) return;
    const why = blocks?.whyBad(first);
    byId("hex-bad-text", HTMLElement).textContent = `${count === 1 ? "A row" : `${count} rows`} in sight can’t be read, from 0x${hexOffset(first)} on: ${visible(why instanceof Error ? why.message : String(why))}`;
  }

  /** Says where the cursor is. */
  say() {
    const { cursor } = this.view.selection;
    const [byte] = this.view.blocks?.rowAt(cursor, 1) ?? [];
    const value = byte === null ? "can’t be read" : byte === undefined ? "is not read yet" : `is ${byte.toString(16).padStart(2, "0")}, ${byte}`;
    this.#status.textContent = "";
    this.#status.textContent = `${this.#where.textContent} The byte ${value}.`;
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    const plain = !event.ctrlKey && !event.altKey && !event.metaKey;
    const key = event.key.toLowerCase();
    if (plain && key === "g") this.goTo.focus();
    else if (plain && key === "i") this.say();
    else if (plain && key === "b") this.bookmarks.focus();
    else if ((event.ctrlKey || event.metaKey) && key === "c") this.#copy(asHex, "hexadecimal");
    else return;
    event.preventDefault();
  }

  /** @param {PointerEvent} event */
  #onHover(event) {
    const offset = this.view.offsetAt(event.clientX, event.clientY);
    this.#grid.title = offset === undefined ? "" : this.#fieldText(offset).trim();
  }

  /** @param {(bytes: Uint8Array) => string} form @param {string} name */
  async #copy(form, name) {
    const { from, length } = this.view.selection;
    try {
      if (length > maxCopy) throw new Error(`${humanSize(length)} are selected; 1 MiB can be copied. Save the selection as a file instead.`);
      const bytes = await this.#session?.near.read(from, length);
      if (!bytes) return;
      await copyText(form(bytes));
      this.#status.textContent = `${grouped(length)} ${length === 1 ? "byte" : "bytes"} copied as ${name}.`;
    } catch (error) {
      this.report("The selection was not copied.", error);
    }
  }

  async #save() {
    const { from, length } = this.view.selection;
    const { device, name: disk } = this.#session ?? {};
    if (!device || length === 0) return;
    const name = `${disk}-0x${hexOffset(from)}-${length}.bin`;
    try {
      await this.#progress.run(`Saving ${humanSize(length)}`, (signal, onProgress) => saveAs(region(device, { offset: from, length }), name, {
        signal, onProgress: ({ total = length, ...state }) => onProgress({ ...state, total }),
      }));
      this.#status.textContent = `${humanSize(length)} saved.`;
    } catch (error) {
      if (/** @type {any} */ (error)?.name !== "AbortError") this.report("The selection was not saved.", error);
      else this.#status.textContent = "Not saved.";
    }
  }
}
