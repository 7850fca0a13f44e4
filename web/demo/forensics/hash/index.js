// Hashes a disk, a part of it or a file, and compares with what is expected.

/** @typedef {import("../session.js").Session} Session */
/** @typedef {import("../session.js").Stretch} Stretch */

export class Hashing {
  #report;
  /** @type {Session | undefined} */ #session;

  /** @param {(what: string, error: unknown) => void} report */
  constructor(report) {
    this.#report = report;
  }

  /** @param {Session} session */
  show(session) {
    this.#session = session;
  }

  /** @param {Stretch} what */
  choose(what) {
    what.close?.();
  }

  close() {
    this.#session = undefined;
  }
}
