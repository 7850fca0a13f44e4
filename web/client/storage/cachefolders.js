import { NbdError } from "../errors.js";
import { aboutName, readAbout } from "./about.js";
import { deleteFolder, listFolders, opfsFolder } from "./opfs.js";

const kind = "cache";
/** Empty folders: each says that the cache of its name is of no use. */
const spoiltKind = "spoilt-cache";

/**
 * Where caches are kept: in the browser, or in a test's memory.
 * @typedef {object} CacheFolders
 * @property {(name: string) => Promise<import("./file.js").StoreFolder>} open
 * @property {(name: string) => Promise<void>} spoil says, for whoever opens it
 *   next, that it is of no use. Who does not own it may do so too
 * @property {(name: string) => Promise<boolean>} isSpoilt
 * @property {(name: string) => Promise<void>} unspoil
 * @property {() => Promise<number>} room bytes that the browser would still give
 */

/** @type {CacheFolders} */
export const browserFolders = {
  open: (name) => opfsFolder(kind, name),
  spoil,
  isSpoilt: async (name) => (await listFolders(spoiltKind)).includes(name),
  unspoil: (name) => deleteFolder(spoiltKind, name),
  async room() {
    const estimate = await navigator.storage.estimate?.().catch(() => undefined);
    return Math.max((estimate?.quota ?? Infinity) - (estimate?.usage ?? 0), 0);
  },
};

/** @param {string} name */
async function spoil(name) {
  const root = await globalThis.navigator?.storage?.getDirectory?.().catch(() => undefined);
  if (!root) return; // where there are no files, there is no cache
  try {
    await directory(root, ["nbdbridge", spoiltKind, name], true);
  } catch (error) {
    throw new NbdError("EIO", `The disk's persistent cache could not be told that it is out of date (${error}). Delete it, with deleteCaches(), and open the disk without it to go on writing.`, {}, { stage: "client", cause: error });
  }
}

/**
 * @param {FileSystemDirectoryHandle} root
 * @param {string[]} path
 * @param {boolean} [create]
 */
async function directory(root, path, create = false) {
  for (const step of path) root = await root.getDirectoryHandle(step, { create });
  return root;
}

/**
 * A persistent cache, open or not.
 * @typedef {object} CacheFacts
 * @property {string} name the option name of withPersistentCache, or what took its place
 * @property {number} bytes that it takes
 * @property {Date} lastUsed when it was last opened
 */

/**
 * The persistent caches of this origin, in no order.
 * @returns {Promise<CacheFacts[]>} rejects with ENOTSUP where the browser keeps none
 */
export async function listCaches() {
  const folders = await listFolders(kind);
  const facts = await Promise.all(folders.map((folder) => factsOf(folder)));
  return facts.flatMap((fact) => fact ?? []);
}

/** @param {string} folder @returns {Promise<CacheFacts | undefined>} nothing if it was deleted meanwhile */
async function factsOf(folder) {
  try {
    const handle = await directory(await navigator.storage.getDirectory(), ["nbdbridge", kind, folder]);
    /** @type {File[]} */ const files = [];
    for await (const entry of handle.values()) if (entry.kind === "file") files.push(await /** @type {FileSystemFileHandle} */ (entry).getFile());
    const file = files.find(({ name }) => name === aboutName);
    const about = readAbout(new Uint8Array(await file?.arrayBuffer() ?? new ArrayBuffer(0)));
    return { name: about?.name ?? "", bytes: files.reduce((sum, { size }) => sum + size, 0), lastUsed: new Date(about?.used ?? 0) };
  } catch (/** @type {any} */ error) {
    if (error?.name === "NotFoundError") return undefined;
    throw error;
  }
}

/**
 * Deletes persistent caches of this origin.
 * @param {string} [name] only those of this name; default: all
 * @returns {Promise<void>} rejects with IN_USE if one of them is open, when the
 *   others are deleted
 */
export async function deleteCaches(name) {
  const folders = await listFolders(kind);
  const wanted = name === undefined ? folders : await named(folders, name);
  const alone = name === undefined ? (await listFolders(spoiltKind)).filter((folder) => !folders.includes(folder)) : [];
  const results = await Promise.allSettled([
    ...wanted.map((folder) => deleteFolder(kind, folder).then(() => deleteFolder(spoiltKind, folder))),
    ...alone.map((folder) => deleteFolder(spoiltKind, folder)),
  ]);
  for (const result of results) if (result.status === "rejected") throw result.reason;
}

/** @param {string[]} folders @param {string} name */
async function named(folders, name) {
  const facts = await Promise.all(folders.map(factsOf));
  return folders.filter((_, i) => facts[i]?.name === name);
}
