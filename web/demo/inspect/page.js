// A page that looks into a disk: what the inspector is, and what pages are that
// have its views beside their own.
import { open } from "../../client/index.js";
import { withCache } from "../../client/layers/index.js";
import { showError } from "../page/alert.js";
import { startConnection } from "../page/connection.js";
import { byId } from "../page/dom.js";
import { showFacts } from "../page/facts.js";
import { fillFragments } from "../page/fragments.js";
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
/** @typedef {import("../page/connection.js").Connection} Connection */
/** @typedef {import("../page/connection.js").Place} Place */

/**
 * What a page has beside the views of the inspector.
 * @template {Session} S
 * @typedef {object} Beside
 * @property {(disk: Disk, place: Place) => Omit<S, keyof Session> & Pick<S, "device" | "jobs">} begin
 *   what the views get of a disk that has just been opened: this device and no
 *   other
 * @property {(session: S, again: boolean) => void} show
 * @property {() => void} close
 * @property {string} [meanwhile] what becomes of the page's work in an outage, in a sentence
 * @property {HTMLElement[]} [ended] what is of no use once the disk is closed; by default all
 */

/**
 * @template {Session} S
 * @typedef {object} Kind
 * @property {string} says what the page does, in one sentence
 * @property {string} action the word of its button, such as "Inspect"
 * @property {(page: DiskPage<S>) => Beside<S>} make called once the page is whole
 */

/** What the views of raw bytes keep in memory. */
const cache = { size: 32 << 20, lineSize: 64 << 10, readAhead: 256 << 10 };

/**
 * Starts the page; what fails is shown.
 * @template {Session} S
 * @param {Kind<S>} kind
 */
export function startDiskPage(kind) {
  start(kind).catch((error) => showError("The page could not start.", error));
}

/** @template {Session} S @param {Kind<S>} kind */
async function start(kind) {
  /** @type {Connection | undefined} */ let connection;
  startMasthead(kind.says, () => connection?.form.link() ?? {});
  await fillFragments();
  const page = new DiskPage(kind);
  byId("disconnect", HTMLButtonElement).addEventListener("click", () => byId("stop", HTMLButtonElement).click());
  connection = page.connection = await startConnection(byId("connection", HTMLElement), {
    action: kind.action, opening: "Opening the disk…", opened: "Connected.", failed: "The disk could not be opened.",
    open: (place, signal, again) => page.open(place, signal, again), close: () => page.close(),
  });
}

/** @template {Session} S */
export class DiskPage {
  #title = byId("disk-title", HTMLElement);
  #connect = byId("connect-box", HTMLDetailsElement);
  #work = byId("disk", HTMLElement);
  #beside;
  #overview = new Overview();
  #bytes;
  #search;
  /** @type {import("./files/index.js").Files | undefined} */ #files;
  /** What is open, and its end. @type {{disk: Disk, end: () => void} | undefined} */ #opened;
  /** @type {Connection | undefined} */ connection;
  /** Shows the tab with this id. @type {(id: string, focus?: boolean) => void} */ showTab = startTabs(byId("tabs", HTMLElement));
  /** Tells of what failed. */ report = (/** @type {string} */ what, /** @type {unknown} */ error) => showError(what, error, { focus: false });

  /** @param {Kind<S>} kind */
  constructor(kind) {
    this.#bytes = new Bytes(this.report);
    this.#search = new Search(() => this.#bytes.view.selection.cursor, this.report);
    this.#beside = kind.make(this);
  }

  /**
   * @param {Place} place
   * @param {AbortSignal} signal
   * @param {boolean} again
   */
  async open(place, signal, again) {
    const disk = await open(place.url, { export: place.exportName, tls: place.tls, readOnly: true, signal });
    try {
      await this.#inspect(disk, place, signal, again);
    } catch (error) {
      disk.close();
      throw error;
    }
    disk.closed.then((reason) => this.#onClosed(disk, reason));
  }

  /** @param {Disk} disk @param {Place} place @param {AbortSignal} signal @param {boolean} again */
  async #inspect(disk, place, signal, again) {
    const begun = this.#beside.begin(disk, place);
    const { device } = begun;
    const inspector = await startInspector(device, { signal });
    const ended = new AbortController();
    const end = () => {
      ended.abort(new DOMException("the disk was closed", "AbortError"));
      inspector.close();
    };
    try {
      const layout = await inspector.layout({ signal }).catch((error) => {
        signal.throwIfAborted();
        return withoutTables(device.size, error);
      });
      const common = { name: disk.exportName || "disk", near: withCache(device, cache), inspector, layout, signal: ended.signal, ...this.#ways(), report: this.report };
      this.#show(disk, /** @type {S} */ (/** @type {unknown} */ ({ ...common, ...begun })), again);
      signal.throwIfAborted();
      this.#opened = { disk, end };
    } catch (error) {
      end();
      throw error;
    }
  }

  /** How one part of the page leads to another. @returns {Pick<Session, "browse" | "showBytes" | "searchIn">} */
  #ways() {
    return {
      browse: (part) => {
        this.showTab("tab-files", true);
        this.#files?.browse(part);
      },
      showBytes: (offset, length = 1) => {
        this.showTab("tab-bytes");
        this.#bytes.view.show(offset, length);
        this.#bytes.view.focus();
      },
      searchIn: (part) => {
        this.showTab("tab-search");
        this.#search.choose(part);
      },
    };
  }

  /** @param {Disk} disk @param {S} session @param {boolean} again whether the views stay where they were */
  #show(disk, session, again) {
    this.#work.hidden = false;
    this.#use(true);
    this.#connect.open = false;
    this.#title.textContent = visible(disk.exportName) || "Default export";
    showFacts(disk);
    showOutages(disk, this.#beside.meanwhile ?? "What you see is from before.");
    if (!again) this.showTab("tab-overview");
    this.#overview.show(session);
    this.#bytes.show(session, again);
    this.#search.show(session);
    this.#files = startFiles(byId("files", HTMLElement), session);
    this.#beside.show(session, again);
    this.#title.focus();
  }

  /** @param {boolean} inUse */
  #use(inUse) {
    for (const part of this.#beside.ended ?? [this.#work]) part.inert = !inUse;
  }

  /** Only a connection that ended by itself is news. @param {Disk} ended @param {unknown} reason */
  async #onClosed(ended, reason) {
    if (ended !== this.#opened?.disk) return;
    const focus = this.#work.contains(document.activeElement);
    await this.connection?.lost("The connection was lost.", reason ?? "The server closed it.", { focus });
    this.#work.hidden = false; // what was shown stays in sight, out of use
  }

  close() {
    const closing = this.#opened;
    this.#opened = undefined;
    closing?.end();
    this.#beside.close();
    this.#files?.close();
    this.#files = undefined;
    this.#bytes.close();
    this.#use(false);
    this.#work.hidden = true;
    this.#connect.open = true;
    closing?.disk.close(); // it may take a while, and nobody waits for it
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
