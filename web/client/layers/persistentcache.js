import { checkDevice } from "../checks.js";
import { Device } from "../device.js";
import { invalid } from "../errors.js";
import { byteCount, check, isSignal } from "../options.js";
import { aboutName, readAbout, writeAbout } from "../storage/about.js";
import { browserFolders } from "../storage/cachefolders.js";
import { cacheDriver } from "./cache.js";
import { FileLines, endsOf, lineCount } from "./filelines.js";
import { Keeper } from "./keeper.js";
import { through } from "./region.js";
import { stillSo, takeSample } from "./sample.js";
import { Unsettled } from "./unsettled.js";

/** @typedef {import("../device.js").BlockDevice} BlockDevice */
/** @typedef {import("../device.js").Bytes} Bytes */
/** @typedef {import("../storage/cachefolders.js").CacheFolders} CacheFolders */
/** @typedef {import("../storage/file.js").StoreFolder} StoreFolder */

/** Lines that a cache may have: what is known of them is held in memory. */
const mostLines = 1 << 18;
const largestLine = 4 << 20;
/** What is held in memory while it is read and used, in bytes, and at least these many lines. */
const memory = 8 << 20;
const linesInMemory = 4;
const longestName = 128;

/**
 * @typedef {object} PersistentCacheOptions
 * @property {string} [key] names what the content comes from, for a device
 *   without an identity: never the same for two contents
 * @property {string} [name] what listCaches tells, of at most 128 characters;
 *   default: the beginning of the identity or key
 * @property {Bytes} [size] bytes to hold at most; default 1 GiB, and never more
 *   than half of what the browser has left for the origin
 * @property {Bytes} [lineSize] bytes that are fetched and held as one, a
 *   multiple of 512 up to 4 MiB; default 256 KiB
 * @property {"sample" | "never"} [revalidate] "sample" (the default) compares
 *   some of what is held with the device at each opening, and drops everything
 *   if it differs; "never" trusts it
 * @property {AbortSignal} [signal] gives up opening
 */

/**
 * @typedef {object} Plan
 * @property {string} key
 * @property {string} name
 * @property {number} size of the device
 * @property {number} lineSize
 * @property {number} limit bytes to hold
 * @property {boolean} revalidate
 * @property {AbortSignal} [signal]
 */

/** What withPersistentCache gives. */
export class PersistentCache extends Device {
  #keeper;

  /**
   * For withPersistentCache, which is how to get one.
   * @param {BlockDevice} device
   * @param {Keeper} keeper
   * @param {{size: number, lineSize: number}} memory
   */
  constructor(device, keeper, memory) {
    super(cacheDriver(keptDevice(device, keeper), memory));
    this.#keeper = keeper;
  }

  /**
   * Whether what is read is kept. Not, from the beginning: another tab keeps
   * it, or the browser has no place. Later: the browser's storage failed.
   */
  get persistent() { return this.#keeper.persistent; }

  /**
   * Since it was opened: hits are lines that came from the file, misses those
   * that came from the device; held is what the file holds, in bytes.
   * @returns {{hits: number, misses: number, held: number}}
   */
  stats() { return this.#keeper.stats(); }
}

/**
 * Keeps what is read of a device in the browser, over page loads, as it is: who
 * can read the browser's profile can read it. deleteCaches() deletes it. Where
 * that is not to be had, for another tab that owns it, or a window that is
 * private, it is a small cache in memory; persistent tells.
 * @param {BlockDevice} device
 * @param {PersistentCacheOptions} [options]
 * @returns {Promise<PersistentCache>} read-only if the device is. It rejects if
 *   the device can't be read; the device stays open then
 */
export async function withPersistentCache(device, options = {}) {
  return openPersistentCache(checkDevice(device), options, browserFolders, memory);
}

/**
 * @param {BlockDevice} device
 * @param {PersistentCacheOptions} options
 * @param {CacheFolders} folders
 * @param {number} inMemory bytes
 */
export async function openPersistentCache(device, options, folders, inMemory) {
  const plan = checkOptions(device, options);
  plan.signal?.throwIfAborted();
  const id = await folderName(plan.key);
  const folder = await folders.open(id).catch(() => undefined); // it goes without
  const close = async () => { await folder?.close().catch(() => {}); };
  try {
    const files = folder && await openLines(device, plan, folder, folders, id);
    if (!files) await close();
    const keeper = new Keeper(device, plan.lineSize, { ...files, close, spoil: () => folders.spoil(id) });
    const cache = new PersistentCache(device, keeper, { size: Math.max(inMemory, linesInMemory * plan.lineSize), lineSize: plan.lineSize });
    if (files && plan.revalidate) await keepEnds(cache, files.lines, plan);
    return cache;
  } catch (error) {
    await close();
    throw error;
  }
}

/**
 * @param {BlockDevice} device
 * @param {Plan} plan
 * @param {StoreFolder} folder
 * @param {CacheFolders} folders
 * @param {string} id
 * @returns {Promise<Files | undefined>} nothing if the storage fails. It
 *   rejects if the device can't be read
 */
async function openLines(device, plan, folder, folders, id) {
  try {
    const files = await openFiles(plan, folder, folders, id);
    const { lines } = files;
    const sample = plan.revalidate ? await takeSample(lines, endsOf(plan)) : [];
    const same = await stillSo(device, sample, plan.signal).catch((error) => { throw new DeviceFailed(error); });
    if (!same) await lines.forget(0, plan.size);
    return files;
  } catch (error) {
    if (error instanceof DeviceFailed) throw error.why;
    return undefined;
  }
}

/** Tells a failure of the device from those of the storage. */
class DeviceFailed {
  /** @param {unknown} why */
  constructor(why) { this.why = why; }
}

/** @typedef {{lines: FileLines, unsettled: Unsettled}} Files */

/**
 * @param {Plan} plan
 * @param {StoreFolder} folder
 * @param {CacheFolders} folders
 * @param {string} id
 * @returns {Promise<Files>}
 */
async function openFiles({ name, size, lineSize, limit }, folder, folders, id) {
  const [aboutFile, file, records] = await Promise.all([aboutName, "lines", "index"].map((part) => folder.open(part)));
  const before = readAbout(await aboutFile.read(0, await aboutFile.size()));
  const spoilt = await folders.isSpoilt(id);
  const fresh = spoilt || before?.size !== size || before.lineSize !== lineSize;
  const share = (await file.size() + await folders.room()) / 2;
  const room = Math.min(Math.max(Math.floor(Math.min(limit, share) / lineSize), 1), lineCount({ size, lineSize }));
  const lines = await FileLines.open(file, records, { size, lineSize, room }, fresh);
  const used = Date.now();
  const note = (/** @type {boolean} */ unsettled) => aboutFile.write(0, writeAbout({ version: 1, name, size, lineSize, used, unsettled }));
  const found = spoilt || before?.unsettled === true;
  await note(found);
  if (spoilt) await folders.unspoil(id);
  return { lines, unsettled: new Unsettled(note, found) };
}

/**
 * Reads what the next opening compares first.
 * @param {PersistentCache} cache
 * @param {FileLines} lines
 * @param {Plan} plan
 */
async function keepEnds(cache, lines, plan) {
  const missing = endsOf(plan).filter((line) => !lines.has(line));
  await Promise.all(missing.map((line) => {
    const [from, to] = lines.range(line);
    return cache.read(from, to - from, { signal: plan.signal }).catch(() => {}); // there may be a bad sector
  }));
  plan.signal?.throwIfAborted();
}

const anything = () => true; // byteCount checks it
const isText = (/** @type {any} */ v) => typeof v === "string" && v !== "";
const rules = {
  key: isText, signal: isSignal, size: anything, lineSize: anything,
  name: (/** @type {any} */ v) => isText(v) && v.length <= longestName,
  revalidate: (/** @type {any} */ v) => v === "sample" || v === "never",
};

/**
 * @param {BlockDevice} device
 * @param {PersistentCacheOptions} options
 * @returns {Plan}
 */
function checkOptions(device, options) {
  const { revalidate = "sample", signal, ...given } = check(options, rules);
  const key = given.key ?? device.identity;
  if (!key) throw invalid("The device does not tell what its content comes from: put the cache under the layer that changes it, or give the option key, a name for this very content.");
  const lineSize = byteCount("lineSize", given.lineSize ?? 256 << 10);
  const limit = byteCount("size", given.size ?? Math.min(1 << 30, mostLines * lineSize));
  if (lineSize === 0 || lineSize % 512 !== 0 || lineSize > largestLine) throw invalid(`Option lineSize is ${lineSize}: want a multiple of 512, at most ${largestLine}.`);
  if (limit < lineSize) throw invalid(`Option size is ${limit}: want at least one line of ${lineSize} bytes.`);
  if (limit / lineSize > mostLines) throw invalid(`Option size is ${limit}: want at most ${mostLines} lines of ${lineSize} bytes. Give a larger lineSize.`);
  return { key, name: given.name ?? key.slice(0, longestName), size: device.size, lineSize, limit, revalidate: revalidate === "sample", signal };
}

/**
 * A name that no other key has, and that is no path.
 * @param {string} key
 * @returns {Promise<string>} empty where there is no storage either: the page is not secure
 */
async function folderName(key) {
  if (!globalThis.crypto?.subtle) return "";
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(key));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * @param {BlockDevice} device
 * @param {Keeper} keeper
 */
function keptDevice(device, keeper) {
  const { readMany, ...below } = through(device, 0, device.size);
  return new Device({
    ...below,
    read: (offset, length, { signal }) => keeper.read(offset, length, signal),
    close: () => keeper.close(),
    ...(!device.readOnly && changing(device, keeper)),
  });
}

/**
 * The cache above gives no signals: what was sent must be awaited.
 * @param {BlockDevice} device
 * @param {Keeper} keeper
 * @returns {Partial<import("../device.js").Driver>}
 */
function changing(device, keeper) {
  return {
    write: (offset, bytes, { fua }) => keeper.change(offset, offset + bytes.byteLength, () => device.write(offset, bytes, { fua, transfer: true })),
    trim: (offset, length) => keeper.change(offset, offset + length, () => device.trim(offset, length)),
    zero: (offset, length, { unmap }) => keeper.change(offset, offset + length, () => device.zero(offset, length, { unmap })),
  };
}
