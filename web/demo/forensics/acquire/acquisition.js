// One acquisition: it runs, stops, goes on, is checked, and is kept meanwhile.
import { acquire, imageOf, pass } from "../../../client/evidence/index.js";
import { region } from "../../../client/layers/index.js";
import { NbdError } from "../../../client/index.js";
import { changes, connectionFacts, mismatch, outagesSince, sourceFacts, sourceLater, toolFacts, toolLater } from "./facts.js";
import { pageFacts } from "./pagefacts.js";
import { stayAwake } from "./wake.js";

/** @typedef {import("../session.js").Session} Session */
/** @typedef {import("../../../client/evidence/index.js").Log} Log */
/** @typedef {import("../../../client/evidence/index.js").State} State */
/** @typedef {import("../../../client/evidence/index.js").Case} Case */
/** @typedef {import("../../../client/evidence/index.js").DigestName} DigestName */
/** @typedef {import("../../../client/evidence/index.js").AcquireProgress} AcquireProgress */
/** @typedef {import("./places.js").Place} Place */
/** @typedef {"image" | "export"} PassOf */

/**
 * What the examiner wants. Offset and length are of the export.
 * @typedef {object} Wish
 * @property {number} offset
 * @property {number} length
 * @property {string} name of the image's file
 * @property {"raw" | "zstd"} format
 * @property {DigestName[]} hashes
 * @property {number} retries
 * @property {number} smallest
 * @property {boolean} skipHoles
 * @property {Case} case
 * @property {PassOf[]} passes
 */

/** Passing: it reads once more, for its hashes. @typedef {"paused" | "running" | "complete" | "passing"} Phase */

export class Acquisition {
  /** @type {Phase} */ phase = "paused";
  /** Why it does not run any more, unless that was wanted. @type {unknown} */ failure;
  /** @type {AcquireProgress | undefined} */ progress;
  /** What is read once more. @type {PassOf | undefined} */ passOf;
  /** Passes that are still to be made. @type {PassOf[]} */ wanted;
  /** Whether nothing of it would be lost with the page. */ logSaved = false;
  /** SHA-256 of the log as this page has saved it last. @type {string | undefined} */ savedLog;
  #saves = 0;
  /** @type {AbortController | undefined} */ #controller;
  /** Fulfils when nothing runs. @type {Promise<unknown>} */ #idle = Promise.resolve();
  #wish;
  #changed;

  /**
   * @param {string} name of the image's file
   * @param {Place} place
   * @param {PassOf[]} wanted
   * @param {() => void} changed called when something is other than before
   * @param {Wish} [wish] of one that begins
   */
  constructor(name, place, wanted, changed, wish) {
    this.name = name;
    this.place = place;
    this.wanted = [...wanted];
    this.#changed = changed;
    this.#wish = wish;
    if (this.log?.status === "complete") this.phase = "complete";
  }

  /** The last that there is. @returns {Log | undefined} */
  get log() { return this.place.state?.log; }

  get busy() { return this.phase === "running" || this.phase === "passing"; }

  get saving() { return this.#saves > 0; }

  /** Nothing of it is to be taken away while this lasts. @param {() => Promise<void>} save */
  async whileSaved(save) {
    this.#saves++;
    this.#changed();
    try {
      await save();
    } finally {
      this.#saves--;
      this.#changed();
    }
  }

  /** Why it can't go on with this disk; empty if it can. @param {Session} session */
  obstacle(session) {
    return this.log ? mismatch(this.log.source, session.facts()) : "";
  }

  /** What is not as it was in the last session, in sentences. @param {Session} session */
  changes(session) {
    return this.log ? changes(this.log, session.facts()) : [];
  }

  /**
   * Begins, or goes on from the last state. It settles when nothing runs any
   * more, and never rejects: failure has why.
   * @param {Session} session
   */
  run(session) {
    return this.#work("running", async (signal) => {
      const options = { ...await this.#options(session), ...this.#told(session), signal };
      const log = await acquire(this.#stretch(session), this.place.sink, options);
      await this.#keepLog(log);
    });
  }

  /** @param {Session} session */
  #stretch({ device }) {
    const { offset, length } = this.log?.source ?? /** @type {Wish} */ (this.#wish);
    return offset === 0 && length === device.size ? device : region(device, { offset, length });
  }

  /** @param {Session} session @returns {Promise<import("../../../client/evidence/index.js").AcquireOptions>} */
  async #options(session) {
    if (this.place.state) return { from: await this.#goingOn(this.place.state, session) };
    if (!this.#wish) throw new NbdError("EIO", "Nothing of this acquisition was kept before its page ended. Discard it, and begin anew.", {}, { stage: "client" });
    const { format, hashes, retries, smallest, skipHoles, case: about, name } = this.#wish;
    const facts = { tool: toolFacts(), page: await pageFacts(), case: about, source: sourceFacts(session.facts(), this.#wish), image: { name } };
    return { format, hashes, retries, smallest, skipHoles, facts };
  }

  /** @param {State} state @param {Session} session @returns {Promise<State>} */
  async #goingOn({ log, ...state }, session) {
    const source = sourceLater(log.source, session.facts());
    if (this.#wish) return { ...state, log: { ...log, source } }; // it began in this page
    return { ...state, log: { ...log, source, tool: toolLater(log, toolFacts(), await pageFacts().catch(() => undefined)) } };
  }

  /** What is told while it runs. @param {Session} session */
  #told(session) {
    const begun = new Date().toISOString();
    return {
      connection: connectionFacts(session.facts().tls),
      outages: () => outagesSince(session.outages(), begun),
      onState: (/** @type {State} */ state) => this.place.keep(state),
      onProgress: this.#onProgress,
    };
  }

  #onProgress = (/** @type {AcquireProgress} */ progress) => {
    this.progress = progress;
    this.#changed();
  };

  /** Stops what runs; what there is stays. */
  pause() {
    this.#controller?.abort(new DOMException("paused by the examiner", "AbortError"));
    return this.#idle;
  }

  /**
   * Reads once more, and compares. It settles like run.
   * @param {PassOf} of
   * @param {Session} [session] for the export
   */
  check(of, session) {
    this.passOf = of;
    this.wanted = this.wanted.filter((other) => other !== of);
    return this.#work("passing", async (signal) => {
      const log = /** @type {Log} */ (this.log), start = new Date().toISOString();
      const made = await this.#pass(of, log, signal, session).catch((error) => {
        signal.throwIfAborted();
        return { hashes: {}, failed: error instanceof Error ? error.message : String(error) };
      });
      const equal = Object.entries(log.hashes).every(([name, sum]) => /** @type {any} */ (made.hashes)[name] === sum);
      const last = { of, start, end: new Date().toISOString(), ...made, equal };
      await this.#keepLog({ ...log, passes: [...log.passes, last] });
      this.logSaved = false;
    });
  }

  /**
   * @param {PassOf} of
   * @param {Log} log
   * @param {AbortSignal} signal
   * @param {Session} [session]
   */
  async #pass(of, log, signal, session) {
    const names = /** @type {DigestName[]} */ (log.settings.hashes);
    const options = { signal, onProgress: this.#onProgress };
    if (of === "export") return { hashes: await pass(this.#stretch(/** @type {Session} */ (session)), names, { ...options, zeros: log.zeroFilled, skipHoles: log.settings.skipHoles }) };
    const disk = await imageOf(log.image.format, await this.place.image(), { signal });
    try {
      return { hashes: await pass(disk, names, options) };
    } finally {
      await disk.close();
    }
  }

  /** @param {Log} log */
  #keepLog(log) {
    return this.place.keep({ .../** @type {State} */ (this.place.state), log });
  }

  /**
   * One thing at a time, and the phase that follows from the log.
   * @param {"running" | "passing"} phase
   * @param {(signal: AbortSignal) => Promise<void>} task
   */
  #work(phase, task) {
    if (this.busy) return this.#idle;
    const { signal } = this.#controller = new AbortController();
    Object.assign(this, { phase, failure: undefined, progress: undefined });
    this.#changed();
    const rest = stayAwake();
    this.#idle = task(signal).catch((error) => {
      if (!signal.aborted) this.failure = error;
    }).then(() => {
      rest();
      this.phase = this.log?.status === "complete" ? "complete" : "paused";
      this.passOf = undefined;
      this.#changed();
    });
    return this.#idle;
  }

  /** Stops, and lets go of the image. */
  async end() {
    await this.pause();
    await this.place.end();
  }
}
