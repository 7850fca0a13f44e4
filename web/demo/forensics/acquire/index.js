// Acquires a disk, or a part of it, into a file.
import { NbdError } from "../../../client/index.js";
import { askToPersist } from "../../../client/storage/opfs.js";
import { ask } from "../../page/ask.js";
import { byId } from "../../page/dom.js";
import { humanSize, visible } from "../../page/text.js";
import { Acquisition } from "./acquisition.js";
import { AcquireForm } from "./form.js";
import { KeptList } from "./keptlist.js";
import { filePlace, keptPlace } from "./places.js";
import { Result } from "./result.js";
import { Kept, discardKept, newKept, roomLeft } from "./store.js";
import { AcquisitionView } from "./view.js";

/** @typedef {import("../session.js").Session} Session */
/** @typedef {import("../session.js").Stretch} Stretch */
/** @typedef {import("./acquisition.js").Wish} Wish */
/** @typedef {import("./places.js").Place} Place */

export class Acquisitions {
  #report;
  #form = new AcquireForm(() => { this.#try("The acquisition did not begin.", () => this.#begin()); });
  #view = new AcquisitionView();
  #result;
  #list;
  /** @type {Session | undefined} */ #session;
  /** The one that is in sight. @type {Acquisition | undefined} */ #current;
  /** Something is being made ready, or put away. */ #working = false;

  /**
   * Made once, when the page starts: panel.html is in #acquire then, and
   * kept.html in #kept, which is in sight without a disk too.
   * @param {(what: string, error: unknown) => void} report
   */
  constructor(report) {
    this.#report = report;
    this.#result = new Result(report, (of) => this.#passes([of]));
    this.#list = new KeptList({
      open: (listed) => this.#try("The acquisition could not be opened.", () => this.#open(listed)),
      discard: ({ id, about }) => this.#try("It was not discarded.", () => this.#discardKept(id, about)),
    });
    this.#on("acquisition-pause", () => this.#current?.pause());
    this.#on("acquisition-go", () => { this.#run(); }); // nothing waits for its end: it must be possible to pause it
    this.#on("acquisition-discard", () => this.#discard());
    this.#on("acquisition-close", () => this.#putAway());
    document.addEventListener("visibilitychange", () => { if (!document.hidden) this.#look(); });
    addEventListener("beforeunload", (event) => { if (this.#wouldLose()) event.preventDefault(); });
    this.#look();
  }

  /** @param {string} id @param {() => unknown} work */
  #on(id, work) {
    byId(id, HTMLButtonElement).addEventListener("click", () => this.#try("It was not done.", async () => { await work(); }));
  }

  /** One thing at a time. @param {string} failed @param {() => Promise<void>} work */
  async #try(failed, work) {
    if (this.#working) return;
    this.#working = true;
    try {
      await work();
    } catch (/** @type {any} */ error) {
      if (error?.name !== "AbortError") this.#report(failed, error);
    } finally {
      this.#working = false;
      this.#show();
      this.#look();
    }
  }

  /** Begins with a disk. @param {Session} session */
  show(session) {
    this.#session = session;
    this.#form.show(session);
    this.#show();
  }

  /**
   * Offers to acquire this; the tab is in sight already.
   * @param {Stretch} what
   */
  choose(what) {
    what.close?.();
    if (what.device === this.#session?.device) return this.#form.choose(what);
    this.#report("A file is not acquired.", new Error("Acquired is the disk, or a stretch of it. The view of files saves a file, and hashes are made in Hash."));
  }

  /** The disk is closed, or will not come back. It may be called when there is none. */
  close() {
    this.#session = undefined;
    this.#show();
  }

  /** Of the page that leaves now. */
  #wouldLose() {
    return Boolean(this.#current && (this.#current.busy || this.#current.saving || (!this.#current.place.kept && !this.#current.logSaved)));
  }

  #show() {
    const { phase, busy } = this.#current ?? { phase: undefined, busy: false };
    const note = byId("acquire-busy", HTMLElement);
    note.hidden = !this.#current;
    note.textContent = busy ? "An acquisition is under way: see below. Another can begin when it has ended." : `An acquisition is ${phase === "complete" ? "complete" : "paused"}: see below. Close it to begin another.`;
    byId("acquire-form", HTMLFormElement).hidden = Boolean(this.#current);
    this.#view.show(this.#current, this.#session);
    this.#result.show(this.#current, this.#session);
  }

  #look() {
    this.#form.showRoom();
    return this.#list.refresh(this.#current?.place.kept?.id, this.#current?.busy);
  }

  async #begin() {
    const session = this.#session;
    if (!session || this.#current) return;
    const wish = this.#form.read();
    const place = this.#form.intoFile ? await pickedPlace(wish) : await this.#keptPlace(session, wish);
    if (!place) return;
    this.#use(new Acquisition(wish.name, place, wish.passes, () => this.#onChange(), wish));
    this.#run();
  }

  /** @param {Session} session @param {Wish} wish @returns {Promise<Place | undefined>} */
  async #keptPlace(session, wish) {
    const room = await roomLeft();
    if (wish.format === "raw" && wish.length > room && !await ask("There is too little room", `The image takes ${humanSize(wish.length)}, and this browser offers about ${humanSize(room)}. In Zstandard it may take less; it could go straight into a file, where the browser can do that.`, { yes: "Begin anyway" })) return undefined;
    askToPersist();
    const { name, format, offset, length, passes } = wish;
    const { exportName, size } = session.facts();
    return keptPlace(await newKept({ version: 1, name, format, exportName, size, offset, length, passes, started: Date.now(), done: 0, status: "paused" }));
  }

  /** @param {Acquisition} acquisition */
  #use(acquisition) {
    this.#current = acquisition;
    this.#show();
    this.#view.focus();
  }

  /** At most once for each picture that the browser draws. */
  #onChange = () => {
    this.#due ??= requestAnimationFrame(() => {
      this.#due = undefined;
      this.#show();
    });
  };
  /** @type {number | undefined} */ #due;

  /** Nothing waits for its end. */
  async #run() {
    const current = this.#current, session = this.#session;
    if (!current || !session || current.obstacle(session)) return;
    await current.run(session);
    if (current.phase === "complete" && current.failure === undefined) await this.#passes(current.wanted);
    this.#show();
    this.#look();
  }

  /** @param {readonly import("./acquisition.js").PassOf[]} passes */
  async #passes(passes) {
    const current = this.#current;
    for (const of of passes) {
      if (current?.phase !== "complete" || (of === "export" && !this.#session)) return;
      await current.check(of, this.#session);
      if (current.failure !== undefined) return;
    }
    this.#show();
  }

  /** @param {import("./store.js").Listed & {about: import("./store.js").About}} listed */
  async #open({ id, about }) {
    if (this.#current) await this.#putAway();
    if (this.#current) return;
    const kept = await Kept.open(id);
    if (!kept.about) { // opening has made it anew
      await kept.close();
      await discardKept(id);
      throw new NbdError("EIO", "It is not there any more: it was discarded in another tab, or the browser has cleared what this site keeps.", {}, { stage: "client" });
    }
    const acquisition = new Acquisition(about.name, keptPlace(kept), about.passes, () => this.#onChange());
    this.#use(acquisition);
    if (acquisition.phase === "paused" && this.#session && acquisition.changes(this.#session).length === 0) this.#run();
  }

  /** Takes it out of sight; what is kept stays in the list. */
  async #putAway() {
    const current = this.#current;
    if (!current) return;
    if (current.saving) throw new NbdError("IN_USE", "The image is being saved. Wait for its end, or stop it.", {}, { stage: "client" });
    if (!current.place.kept && !current.logSaved && !await ask("Close it without its log?", current.phase === "complete" ? "The image is in its file. The log has not been saved, and is lost then." : "It goes straight into a file, and is not whole: the file and the log are lost then.", { yes: "Close", danger: true })) return;
    await current.end();
    this.#current = undefined;
  }

  async #discard() {
    const current = this.#current;
    if (!current || !await ask(`Discard ${visible(current.name)}?`, lossOf(current), { yes: "Discard", danger: true })) return;
    await current.end();
    this.#current = undefined;
    if (current.place.kept) await discardKept(current.place.kept.id);
  }

  /** @param {string} id @param {import("./store.js").About | undefined} about */
  async #discardKept(id, about) {
    if (await ask(about ? `Discard ${visible(about.name)}?` : "Discard this?", about?.saved ? "The image has been saved. Its log goes too, unless it was saved." : "The image and its log have not been saved, and can’t be brought back.", { yes: "Discard", danger: true })) await discardKept(id);
  }
}

/** @param {Acquisition} acquisition */
function lossOf({ phase, logSaved, place }) {
  if (phase !== "complete") return "What was acquired is lost, and its log.";
  return `${place.kept?.about.saved ? "The image has been saved." : "The image has NOT been saved."} ${logSaved ? "The log has been saved." : "The log has not been saved since this was opened."}`;
}

/** The user picks a file, in the click's own time. @param {Wish} wish @returns {Promise<Place>} */
async function pickedPlace(wish) {
  const handle = await /** @type {any} */ (globalThis).showSaveFilePicker({ suggestedName: wish.name });
  wish.name = handle.name;
  return filePlace(handle);
}
