// What is seen of an acquisition while it runs, and when it stands still.
import { NbdError } from "../../../client/index.js";
import { Progress } from "../../../client/progress.js";
import { byId, element } from "../../page/dom.js";
import { duration, humanSize, rate, visible } from "../../page/text.js";
import { lastPlace } from "./facts.js";

/** @typedef {import("./acquisition.js").Acquisition} Acquisition */
/** @typedef {import("../session.js").Session} Session */
/** @typedef {import("../../../client/evidence/index.js").AcquireProgress} AcquireProgress */

const figures = /** @type {const} */ (["Done", "Rate", "Left", "Skipped, zeros", "Not readable", "Errors"]);

/** What each pass is, in words. */
export const passNames = { image: "the image", export: "the export" };

export class AcquisitionView {
  #box = byId("acquisition", HTMLElement);
  #title = byId("acquisition-title", HTMLElement);
  #status = byId("acquisition-status", HTMLElement);
  #note = byId("acquisition-note", HTMLElement);
  #work = byId("acquisition-work", HTMLElement);
  #bar = byId("acquisition-bar", HTMLProgressElement);
  #pause = byId("acquisition-pause", HTMLButtonElement);
  #go = byId("acquisition-go", HTMLButtonElement);
  #discard = byId("acquisition-discard", HTMLButtonElement);
  #close = byId("acquisition-close", HTMLButtonElement);
  /** @type {Record<string, HTMLElement>} */ #values = {};
  /** Of what runs. */ #meter = new Progress(0);
  /** @type {AcquireProgress | undefined} */ #counted;

  constructor() {
    byId("acquisition-figures", HTMLElement).append(...figures.map((name) => {
      const box = element("div");
      box.append(element("dt", name), this.#values[name] = element("dd", "–"));
      return box;
    }));
  }

  focus() {
    this.#title.focus();
  }

  /**
   * @param {Acquisition | undefined} acquisition
   * @param {Session | undefined} session
   */
  show(acquisition, session) {
    this.#box.hidden = !acquisition;
    if (!acquisition) return;
    const { phase, busy, saving, name } = acquisition;
    put(this.#title, visible(name));
    put(this.#status, statusOf(acquisition));
    this.#showNote(acquisition, session);
    this.#work.hidden = phase === "complete";
    this.#showProgress(acquisition);
    this.#pause.hidden = !busy;
    this.#pause.textContent = phase === "passing" ? "Stop" : "Pause";
    this.#go.hidden = phase !== "paused";
    this.#go.disabled = !session || Boolean(acquisition.obstacle(session));
    const place = byId(phase === "complete" ? "result-saves" : "acquisition-actions", HTMLElement);
    if (this.#discard.parentElement !== place) place.append(this.#discard);
    this.#discard.hidden = busy || saving || (phase === "complete" && !acquisition.place.kept);
    this.#discard.textContent = phase === "complete" ? "Discard the copy in this browser…" : "Discard…";
    this.#close.hidden = busy || saving;
  }

  /** @param {Acquisition} acquisition @param {Session | undefined} session */
  #showNote(acquisition, session) {
    const note = noteOf(acquisition, session);
    put(this.#note, note);
    this.#note.hidden = !note;
  }

  /** @param {Acquisition} acquisition */
  #showProgress({ progress, log, place, busy }) {
    const state = progress ?? (log && { done: place.state?.offset ?? 0, total: log.source.length, skipped: log.blockStatus.skipped, lost: lostOf(log), errors: failuresOf(log), recovering: false });
    if (!state) return this.#bar.removeAttribute("value");
    this.#bar.max = Math.max(state.total, 1);
    this.#bar.value = state.total ? state.done : 1;
    const { rate: speed, left } = this.#measured(busy ? progress : undefined);
    this.#tell("Done", `${humanSize(state.done)} of ${humanSize(state.total)}`);
    this.#tell("Rate", speed === undefined ? "–" : rate(speed));
    this.#tell("Left", left === undefined || state.done === state.total ? "–" : duration(left));
    this.#tell("Skipped, zeros", humanSize(state.skipped));
    this.#tell("Not readable", humanSize(state.lost));
    this.#tell("Errors", String(state.errors));
  }

  /** The rate is that of what was read, without what was skipped. @param {AcquireProgress | undefined} now */
  #measured(now) {
    const before = this.#counted;
    this.#counted = now;
    if (!now) return { rate: undefined, left: undefined };
    if (!before || now.done < before.done || now.total !== before.total) this.#meter = new Progress(now.total, () => {}, { done: now.done });
    else if (now !== before) {
      const skipped = now.skipped - before.skipped;
      this.#meter.add(Math.max(now.done - before.done - skipped, 0));
      this.#meter.skip(skipped);
    }
    return this.#meter.state();
  }

  /** @param {typeof figures[number]} name @param {string} text */
  #tell(name, text) {
    put(this.#values[name], text);
  }
}

/** @param {import("../../../client/evidence/index.js").Log} log */
export const lostOf = (log) => log.zeroFilled.reduce((sum, { length }) => sum + length, 0);

/** @param {import("../../../client/evidence/index.js").Log} log */
const failuresOf = (log) => log.errors.reduce((sum, { attempts }) => sum + attempts, 0);

/** @param {Acquisition} acquisition */
function statusOf({ phase, progress, passOf, log, failure, place }) {
  if (phase === "passing") return `Reading ${passNames[passOf ?? "image"]} once more…`;
  if (phase === "running") return progress?.recovering ? "Running: it reads again, in smaller pieces, what could not be read." : progress ? "Running." : "Beginning…";
  if (phase === "paused") return failure === undefined ? "Paused." : `Paused by a failure.${place.kept ? " What was acquired is kept." : ""}`;
  return log ? completeWords(log) : "";
}

/** @param {import("../../../client/evidence/index.js").Log} log */
function completeWords(log) {
  const lost = lostOf(log), { skipped } = log.blockStatus;
  const parts = [`${humanSize(log.transferred)} read`, ...skipped ? [`${humanSize(skipped)} skipped, which the server tells as zeros`] : []];
  if (lost === 0) return `Complete: ${parts.join(", ")}.`;
  return `Complete, but ${humanSize(lost)} could not be read and are zeros in the image: the log says where. ${parts.join(", ")}.`;
}

/**
 * What there is to know, or to do, beside that.
 * @param {Acquisition} acquisition
 * @param {Session | undefined} session
 */
function noteOf(acquisition, session) {
  const { failure, phase, log } = acquisition;
  const why = failure === undefined ? "" : `${messageOf(failure)} `;
  if (phase !== "paused") return why.trim();
  if (!session) return `${why}To go on, connect to ${log ? `the export ${log.source.export ? `“${visible(log.source.export)}”` : "without a name"} at ${visible(lastPlace(log.source))}` : "its disk"} again.`;
  const obstacle = acquisition.obstacle(session);
  if (obstacle) return `${why}It can’t go on with this disk: ${visible(obstacle)}.`;
  const changes = acquisition.changes(session).map(visible);
  return `${why}${changes.join(" ")}${changes.length ? " The log will tell of it." : ""}`.trim();
}

/** @param {unknown} error */
function messageOf(error) {
  const text = visible(error instanceof Error ? error.message : String(error));
  return error instanceof NbdError ? `${error.code}: ${text}` : text;
}

/**
 * Leaves what is the same alone: it may be heard, or selected.
 * @param {HTMLElement} part
 * @param {string} text
 */
function put(part, text) {
  if (part.textContent !== text) part.textContent = text;
}
