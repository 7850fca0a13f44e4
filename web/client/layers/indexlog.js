import { NbdError } from "../errors.js";
import { headerArea, readHeader, writeHeader } from "./indexheader.js";
import { findRecord, recordOf, runsOf } from "./indexrecord.js";
import { FileWindow } from "../storage/window.js";

/** @typedef {import("../storage/file.js").StoreFile} StoreFile */
/** @typedef {import("../storage/file.js").StoreFolder} StoreFolder */
/** @typedef {import("./runmap.js").Run} Run */
/** @typedef {import("./indexheader.js").Facts} Facts */
/** @typedef {import("./indexheader.js").Header} Header */

/** Runs of one record of a snapshot: 1.5 MiB. */
const snapshotRuns = 1 << 16;

/**
 * The index of a store: where its blocks lie, as a log of runs of which later
 * ones count. It has two files, of which one is in use:
 *
 * - A header (indexheader.js), which makes the file the one in use if its
 *   generation is the higher one, and after it records (indexrecord.js), each
 *   at a multiple of 512 bytes, so that a write never touches an older one.
 * - The records up to the header's snapshotEnd are a snapshot, which was
 *   durable before the header was written.
 * - After it comes one record for each flush. The next one is written when this
 *   one is durable, so only the last may be torn: what comes after a bad record
 *   tells a torn tail from damage.
 *
 * The log is made short by a snapshot in the other file, with a header of the
 * next generation. The old header is then made void: if the new one is ever
 * damaged, an index from before can't come back in its place. Both files have
 * room for a header from the beginning, so that an empty snapshot can be
 * written when the disk is full.
 */
export class IndexLog {
  #files;
  #current;
  /** @type {Header} */ #header;
  /** Of the last record that was tried. */ #serial = 0;
  /** Where the next record goes. */ #end;
  /** Why nothing more can be recorded. @type {NbdError | undefined} */ #broken;

  /** @param {StoreFile[]} files @param {number} current @param {Header} header */
  constructor(files, current, header) {
    this.#files = files;
    this.#current = current;
    this.#header = header;
    this.#end = headerArea;
  }

  /** @returns {Facts} */
  get facts() { return this.#header.facts; }
  get length() { return this.#end; }

  /** @throws if what is on the disk is not known any more */
  check() {
    if (this.#broken) throw this.#broken;
  }

  /**
   * @param {StoreFolder} folder
   * @param {string} what for messages
   * @param {() => Facts} facts of a new index
   * @returns {Promise<IndexLog>}
   */
  static async open(folder, what, facts) {
    const files = [await folder.open("index.0"), await folder.open("index.1")];
    const headers = await Promise.all(files.map((file) => readHeader(file, what)));
    if (!headers[0] && !headers[1]) {
      // The second file is made when the first one's header is durable.
      if (await files[1].size() >= headerArea) throw damaged(what, "no index has a good header");
      headers[0] = { generation: 1, snapshotEnd: headerArea, facts: facts() };
      await writeHeader(files[0], headers[0]);
    }
    const current = (headers[1]?.generation ?? 0) > (headers[0]?.generation ?? 0) ? 1 : 0;
    return new IndexLog(files, current, /** @type {Header} */ (headers[current]));
  }

  /**
   * Reads what is there; to be called once, before anything else.
   * @param {string} what for messages
   * @param {(runs: Run[]) => void} apply called for each record
   */
  async replay(what, apply) {
    const file = this.#files[this.#current];
    const { generation, snapshotEnd } = this.#header;
    const window = new FileWindow(file, await file.size());
    for (;;) {
      const record = await findRecord(window, this.#end, generation);
      if (!record || record.serial <= this.#serial) break;
      apply(runsOf(record));
      this.#serial = record.serial;
      this.#end += record.length;
    }
    if (this.#end < snapshotEnd) throw damaged(what, "its snapshot is cut short");
    for (let at = this.#end + 512; at < window.size; at += 512) {
      if (((await findRecord(window, at, generation))?.serial ?? 0) > this.#serial) throw damaged(what, `the record at ${this.#end} is bad, and there are later ones`);
    }
    await file.flush(); // what is built upon must be durable
    await this.#voidOther();
  }

  /**
   * Adds a record. If it fails the index is as before, and the next record
   * takes the place.
   * @param {Run[]} runs
   */
  async append(runs) {
    this.check();
    const record = recordOf(runs, this.#header.generation, ++this.#serial);
    const { length } = record;
    const file = this.#files[this.#current];
    await file.write(this.#end, record);
    await file.flush();
    this.#end += length;
  }

  /**
   * Puts a snapshot in place of all that was recorded. If it fails the index
   * is as before.
   * @param {Run[]} runs
   */
  async rewrite(runs) {
    this.check();
    const other = 1 - this.#current;
    const file = this.#files[other];
    const header = { ...this.#header, generation: this.#header.generation + 1 };
    try {
      header.snapshotEnd = await this.#writeSnapshot(file, runs, header.generation);
    } catch (error) {
      await file.truncate(headerArea).catch(() => {}); // the next attempt does
      throw error;
    }
    await writeHeader(file, header).catch((error) => this.#withdraw(file, error));
    this.#current = other;
    this.#header = header;
    this.#end = header.snapshotEnd;
    await this.#voidOther().catch(() => {}); // it counts no more, whatever it holds
  }

  /**
   * @param {StoreFile} file
   * @param {Run[]} runs
   * @param {number} generation
   * @returns {Promise<number>} where it ends
   */
  async #writeSnapshot(file, runs, generation) {
    let at = headerArea;
    await file.truncate(at);
    for (let i = 0; i < runs.length; i += snapshotRuns) {
      const record = recordOf(runs.slice(i, i + snapshotRuns), generation, ++this.#serial);
      const { length } = record;
      await file.write(at, record);
      at += length;
    }
    await file.flush();
    return at;
  }

  /**
   * A header that may or may not be on the disk must not stay there.
   * @param {StoreFile} file
   * @param {any} error why it could not be written
   * @returns {Promise<never>}
   */
  async #withdraw(file, error) {
    await writeHeader(file, undefined).catch((cause) => {
      this.#broken = new NbdError("EIO", "The browser's storage failed twice, and what it holds now is not known. Close the overlay and open it again; what was flushed is there.", {}, { stage: "client", cause });
    });
    throw this.#broken ?? error;
  }

  /** Makes the file that is not in use void, with the room of a header. */
  async #voidOther() {
    const file = this.#files[1 - this.#current];
    await writeHeader(file, undefined);
    await file.truncate(headerArea);
  }
}

/** @param {string} what @param {string} why */
function damaged(what, why) {
  return new NbdError("EIO", `${what} is damaged: ${why}. Delete it, and begin anew or import a file that was exported from it.`, {}, { stage: "client" });
}
