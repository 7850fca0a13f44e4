// Places on disks that have names. The browser keeps them for its user, by the
// identity of the disk.

/** Bookmarks of a disk, disks, and characters of a name, at most. */
export const [maxMarks, maxDisks, maxName] = [200, 50, 80];
/** The most that a file of bookmarks may have, in bytes. */
export const maxFile = 1 << 20;
const storageKey = "nbdbridge.bookmarks";
const format = "nbdbridge-bookmarks";

/** @typedef {{name: string, offset: number, length: number}} Bookmark */
/** @typedef {{identity: string, marks: Bookmark[]}} DiskMarks */

/**
 * The bookmarks of one disk, in order of offset. Where the disk has no identity
 * they last as long as the page.
 */
export class Bookmarks {
  /** @type {Bookmark[]} */ list = [];
  #identity;
  #size;
  #storage;

  /**
   * @param {string | undefined} identity
   * @param {number} size of the disk, in bytes
   * @param {Pick<Storage, "getItem" | "setItem">} storage
   */
  constructor(identity, size, storage) {
    this.#identity = identity;
    this.#size = size;
    this.#storage = storage;
    this.list = kept(storage).find((disk) => disk.identity === identity)?.marks.filter((m) => this.#fits(m)) ?? [];
  }

  /**
   * Adds a bookmark, or renames the one of that very range.
   * @param {Bookmark} mark
   * @throws {Error} whose message is for the user
   */
  add({ name, offset, length }) {
    const mark = { name: cleanName(name) || `At ${offset}`, offset, length };
    const others = this.list.filter((m) => m.offset !== offset || m.length !== length);
    if (others.length >= maxMarks) throw new Error(`A disk can have ${maxMarks} bookmarks. Delete one first.`);
    this.#keep([...others, mark]);
  }

  /** @param {Bookmark} mark */
  remove(mark) {
    this.#keep(this.list.filter((m) => m !== mark));
  }

  /** As a file. */
  toJSON() {
    return { format, version: 1, size: this.#size, bookmarks: this.list };
  }

  /**
   * Adds what a file has. What is wrong in it changes nothing.
   * @param {string} text
   * @returns {number} how many there were
   * @throws {Error} whose message is for the user
   */
  load(text) {
    const marks = parsed(text);
    const wrong = marks.find((m) => !this.#fits(m));
    if (wrong) throw new Error(`The file has bookmarks beyond the end of this disk, such as byte ${wrong.offset}: it may be of another disk.`);
    const known = new Set(marks.map(({ offset, length }) => `${offset}+${length}`));
    const all = [...this.list.filter(({ offset, length }) => !known.has(`${offset}+${length}`)), ...marks];
    if (all.length > maxMarks) throw new Error(`That would be ${all.length} bookmarks; a disk can have ${maxMarks}.`);
    this.#keep(all);
    return marks.length;
  }

  /** @param {Bookmark} mark */
  #fits({ offset, length }) {
    return offset + length <= this.#size;
  }

  /** @param {Bookmark[]} marks */
  #keep(marks) {
    this.list = marks.sort((a, b) => a.offset - b.offset || a.length - b.length);
    if (this.#identity === undefined) return;
    const others = kept(this.#storage).filter((disk) => disk.identity !== this.#identity);
    const mine = this.list.length > 0 ? [{ identity: this.#identity, marks: this.list }] : [];
    this.#storage.setItem(storageKey, JSON.stringify([...mine, ...others].slice(0, maxDisks)));
  }
}

/** What the browser has; what is damaged counts as nothing. @param {Pick<Storage, "getItem">} storage @returns {DiskMarks[]} */
function kept(storage) {
  try {
    const disks = JSON.parse(storage.getItem(storageKey) ?? "[]");
    return disks.slice(0, maxDisks).map((/** @type {any} */ { identity, marks }) => ({ identity: String(identity), marks: marks.slice(0, maxMarks).map(checked) }));
  } catch {
    return [];
  }
}

/** @param {string} text @returns {Bookmark[]} */
function parsed(text) {
  let file;
  try {
    file = JSON.parse(text);
  } catch {
    throw new Error("The file is no JSON.");
  }
  if (file?.format !== format || file.version !== 1 || !Array.isArray(file.bookmarks)) throw new Error("The file has no bookmarks of this page.");
  if (file.bookmarks.length > maxMarks) throw new Error(`The file has ${file.bookmarks.length} bookmarks; a disk can have ${maxMarks}.`);
  return file.bookmarks.map(checked);
}

/** @param {any} mark @returns {Bookmark} */
function checked(mark) {
  const { name, offset, length } = mark ?? {};
  if (typeof name !== "string" || !Number.isSafeInteger(offset) || offset < 0 || !Number.isSafeInteger(length) || length < 1 || !Number.isSafeInteger(offset + length)) {
    throw new Error("The file has a bookmark that is none: each has a name, an offset and a length in bytes.");
  }
  return { name: cleanName(name), offset, length };
}

/** @param {string} name */
function cleanName(name) {
  return Array.from(name.trim().toWellFormed()).slice(0, maxName).join("");
}
