// Acquires a disk, or a part of it, into a file.

/** @typedef {import("../session.js").Session} Session */
/** @typedef {import("../session.js").Stretch} Stretch */

export class Acquisitions {
  #report;
  /** @type {Session | undefined} */ #session;

  /**
   * Made once, when the page starts: panel.html is in #acquire then, and
   * kept.html in #kept, which is in sight without a disk too.
   * @param {(what: string, error: unknown) => void} report
   */
  constructor(report) {
    this.#report = report;
  }

  /** Begins with a disk. @param {Session} session */
  show(session) {
    this.#session = session;
  }

  /**
   * Offers to acquire this; the tab is in sight already.
   * @param {Stretch} what
   */
  choose(what) {
    what.close?.();
  }

  /** The disk is closed, or will not come back. It may be called when there is none. */
  close() {
    this.#session = undefined;
  }
}
