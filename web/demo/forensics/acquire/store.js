// Acquisitions that are kept in the browser: the image, the last state, and a
// few words about each, which can be read while another tab has it.
import { listFolders, deleteFolder, opfsFolder } from "../../../client/storage/opfs.js";
import { Twin, decodeEntry, namesOf, newest } from "./twin.js";

const kind = "acquisition";
const path = ["nbdbridge", kind];
/** Bytes of a file about an acquisition that are read at most. */
const longestAbout = 64 << 10;

/** @typedef {import("../../../client/storage/file.js").StoreFolder} StoreFolder */
/** @typedef {import("../../../client/storage/file.js").StoreFile} StoreFile */

/**
 * What the list of acquisitions shows. Offsets and lengths are in bytes.
 * @typedef {object} About
 * @property {1} version
 * @property {string} name of the image's file
 * @property {"raw" | "zstd"} format
 * @property {string} exportName
 * @property {number} size of the export
 * @property {number} offset of what is acquired, in the export
 * @property {number} length of it
 * @property {number} started as Date.now() tells it
 * @property {number} done bytes that are in the image
 * @property {"paused" | "complete"} status one that runs, and is not in use, was paused by the end of its page
 * @property {("image" | "export")[]} passes to be made afterwards
 * @property {boolean} [saved] whether the image went out of the browser as a whole
 */

/**
 * @typedef {object} Listed
 * @property {string} id
 * @property {About | undefined} about nothing where it can't be read: its page ended at its very beginning
 * @property {number} bytes that the image takes
 * @property {boolean} inUse here, or in another tab
 */

/** One acquisition, and the right to be its owner. */
export class Kept {
  #folder;
  #about;
  #state;

  /**
   * @param {string} id @param {StoreFolder} folder @param {StoreFile} image
   * @param {Twin} about @param {Twin} state
   */
  constructor(id, folder, image, about, state) {
    this.id = id;
    this.image = image;
    this.#folder = folder;
    this.#about = about;
    this.#state = state;
  }

  /**
   * @param {string} id
   * @param {(id: string) => Promise<StoreFolder>} [open]
   * @returns {Promise<Kept>} rejects with IN_USE if another tab has it
   */
  static async open(id, open = (id) => opfsFolder(kind, id)) {
    const folder = await open(id);
    try {
      const image = await folder.open("image");
      return new Kept(id, folder, image, await Twin.open(folder, "about"), await Twin.open(folder, "state"));
    } catch (error) {
      await folder.close();
      throw error;
    }
  }

  /** @returns {About} */
  get about() { return this.#about.value; }

  /** What acquire() goes on from; nothing before the first one. @returns {any} */
  get state() { return this.#state.value; }

  /** @param {Partial<About>} news */
  note(news) {
    return this.#about.write({ ...this.about, ...news });
  }

  /** @param {any} state of acquire() */
  async keep(state) {
    await this.#state.write(state);
    await this.note({ done: state.offset, status: state.log.status === "complete" ? "complete" : "paused" });
  }

  close() {
    return this.#folder.close();
  }
}

/** @param {About} about @returns {Promise<Kept>} rejects with ENOSPC where there is no room for it */
export async function newKept(about) {
  const kept = await Kept.open(crypto.randomUUID());
  try {
    await kept.note(about);
    return kept;
  } catch (error) {
    await kept.close();
    await discardKept(kept.id);
    throw error;
  }
}

/** For how long one may be open still by a Worker that has just ended, in milliseconds. */
const endLimit = 3000;

/** Deletes one; rejects with IN_USE if it is open. @param {string} id */
export async function discardKept(id) {
  for (const deadline = Date.now() + endLimit; ;) {
    try {
      return await deleteFolder(kind, id);
    } catch (/** @type {any} */ error) {
      if (error?.code !== "IN_USE" || Date.now() > deadline) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/**
 * The acquisitions of this origin, the newest first.
 * @returns {Promise<Listed[]>}
 */
export async function listKept() {
  const ids = await listFolders(kind);
  const { held = [] } = await navigator.locks.query();
  const inUse = (/** @type {string} */ id) => held.some(({ name }) => name?.endsWith(`:${kind}/${id}`));
  const found = await Promise.all(ids.map(async (id) => ({ id, ...await lookAt(id), inUse: inUse(id) })));
  return found.sort((a, b) => (b.about?.started ?? 0) - (a.about?.started ?? 0));
}

/** @param {string} id @returns {Promise<{about: About | undefined, bytes: number}>} */
async function lookAt(id) {
  const folder = await folderOf(id).catch(() => undefined); // deleted meanwhile
  const files = await Promise.all(namesOf("about").map((name) => fileOf(folder, name)));
  const entries = await Promise.all(files.map(async (file) => decodeEntry(new Uint8Array(await file?.slice(0, longestAbout).arrayBuffer() ?? new ArrayBuffer(0)))));
  const about = newest(entries)?.value;
  return { about: about?.version === 1 ? about : undefined, bytes: (await fileOf(folder, "image"))?.size ?? 0 };
}

/** @param {string} id */
async function folderOf(id) {
  let folder = await navigator.storage.getDirectory();
  for (const step of [...path, id]) folder = await folder.getDirectoryHandle(step);
  return folder;
}

/** @param {FileSystemDirectoryHandle | undefined} folder @param {string} name */
async function fileOf(folder, name) {
  return folder?.getFileHandle(name).then((handle) => handle.getFile()).catch(() => undefined);
}

/** Bytes that the browser would still give. */
export async function roomLeft() {
  const estimate = await navigator.storage.estimate?.().catch(() => undefined);
  return Math.max((estimate?.quota ?? Infinity) - (estimate?.usage ?? 0), 0);
}
