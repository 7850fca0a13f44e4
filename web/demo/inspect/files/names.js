// Names of a disk's files, as names for the files of whoever saves them.
import { safeName } from "../../../client/range/filename.js";

/**
 * Names within one folder of an archive, where no two may be the same, also
 * where capital letters do not count.
 */
export class FolderNames {
  /** How often each was given. @type {Map<string, number>} */ #given = new Map();

  /**
   * A name that is safe to unpack anywhere: one step, not hidden, no device.
   * @param {string} name
   * @returns {string}
   */
  take(name) {
    const safe = safeName(name);
    const count = (this.#given.get(safe.toLowerCase()) ?? 0) + 1;
    this.#given.set(safe.toLowerCase(), count);
    if (count === 1) return safe;
    const ending = /\.[^.]{1,16}$/.exec(safe)?.[0] ?? "";
    return this.take(`${safe.slice(0, safe.length - ending.length)} (${count})${ending}`);
  }
}
