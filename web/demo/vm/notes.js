// What is kept beside the changes of a machine: the digests of what it has read,
// and whether the changes are still those of its saved state.
import { Digests } from "./digests.js";
import { findFile, removeFile, writeFile } from "./files.js";

const digestsFile = "digests", unchangedFile = "unchanged";
/** Milliseconds after which new digests are written down. */
const restPeriod = 2000;

/** Of one machine, or of none: then nothing is kept. */
export class Notes {
  #machine;
  #digests;
  #kept = 0;
  /** @type {ReturnType<typeof setInterval> | undefined} */ #timer;
  /** Of digests. */ #writing = Promise.resolve();
  /** Fulfils when it was noted that the changes are others now. @type {Promise<void> | undefined} */ #noted;

  /** @param {string | undefined} machine @param {Digests} digests */
  constructor(machine, digests) {
    this.#machine = machine;
    this.#digests = digests;
    this.#kept = digests.changes;
    if (machine) this.#timer = setInterval(() => this.#keep().catch(() => {}), restPeriod); // without them less is checked
  }

  /** Where nothing is kept. @param {Digests} digests */
  static none(digests) {
    return new Notes(undefined, digests);
  }

  /**
   * @param {string} machine
   * @param {boolean} needed whether there are changes that hang on the base;
   *   else what was known of it is of no use
   * @returns {Promise<{notes: Notes, digests: Digests}>}
   */
  static async open(machine, needed) {
    if (!needed) await removeFile(machine, digestsFile);
    const file = needed ? await findFile(machine, digestsFile) : undefined;
    const digests = file ? Digests.decode(new Uint8Array(await file.arrayBuffer())) : new Digests();
    return { notes: new Notes(machine, digests), digests };
  }

  /** One after the other, since a file that is written can't be removed. */
  #keep() {
    this.#writing = this.#writing.catch(() => {}).then(async () => {
      if (!this.#machine || this.#kept === this.#digests.changes) return;
      this.#kept = this.#digests.changes;
      await writeFile(this.#machine, digestsFile, [this.#digests.encode()]);
    });
    return this.#writing;
  }

  /** Before each change: those that follow have no saved state. */
  changing() {
    this.#noted ??= this.#machine ? removeFile(this.#machine, unchangedFile).catch((error) => {
      this.#noted = undefined; // the next write tries again
      throw error;
    }) : Promise.resolve();
    return this.#noted;
  }

  /** The changes are those of the saved state now. */
  async unchanged() {
    await this.#noted;
    this.#noted = undefined;
    if (this.#machine) await writeFile(this.#machine, unchangedFile, [Uint8Array.of(1)]);
  }

  /** Whether they are. */
  async areUnchanged() {
    return Boolean(this.#machine && await findFile(this.#machine, unchangedFile));
  }

  /** Writes down what is left, and nothing any more; it never rejects. */
  async close() {
    clearInterval(this.#timer);
    await this.#keep().catch(() => {}); // without them less is checked
  }

  /** Forgets what is known of the base and of the changes: both are about to be others. */
  async forget() {
    this.#digests.become(new Digests());
    this.#kept = this.#digests.changes;
    await this.#writing.catch(() => {});
    if (this.#machine) await removeNotes(this.#machine);
  }
}

/**
 * Forgets what is known of the base, and of the changes: both are about to be others.
 * @param {string} machine
 */
export async function removeNotes(machine) {
  await removeFile(machine, digestsFile);
  await removeFile(machine, unchangedFile);
}
