// From an export to the disk of a machine: connection, checks, cache, changes.
import { NbdError, open } from "../../client/index.js";
import { memoryStore, opfsStore, withCache } from "../../client/layers/index.js";
import { v86Disk } from "../../client/v86/index.js";
import { BlockMap } from "./blockmap.js";
import { Counts, countReads, countStore, countTrips } from "./counting.js";
import { Digests } from "./digests.js";
import { Notes } from "./notes.js";
import { verified } from "./verified.js";

/** @typedef {import("../../client/index.js").Disk} Disk */
/** @typedef {import("../../client/layers/index.js").OverlayStore} OverlayStore */
/** @typedef {import("../../client/v86/index.js").V86Disk} V86Disk */
/** @typedef {import("./choice.js").Choice} Choice */
/** @typedef {{url: string, exportName: string, tls: import("../../client/index.js").TlsOptions}} Place */

/** The most that an overlay in memory holds, in bytes: what a saved state can have. */
const memoryLimit = 1 << 30;

/** Changes that are forgotten with the page, by what they are of. @type {Map<string, {store: OverlayStore, digests: Digests}>} */
const memories = new Map();

/**
 * A disk that is open, for one machine.
 * @typedef {object} Stack
 * @property {Disk} disk the connection
 * @property {import("../../client/index.js").BlockDevice} cached what is under the changes
 * @property {V86Disk} drive the machine's
 * @property {OverlayStore | undefined} store of the changes; none where they go to the export
 * @property {Digests} digests
 * @property {Notes} notes
 * @property {BlockMap} map
 * @property {Counts} counts
 */

/** @param {Place} place @param {boolean} readOnly @param {AbortSignal} signal */
export function openDisk({ url, exportName, tls }, readOnly, signal) {
  return open(url, { export: exportName, tls, readOnly, signal });
}

/**
 * @param {Disk} disk
 * @param {Choice} choice
 * @returns {Promise<Stack>} closing the drive closes all of it, and so does a failure
 */
export async function openStack(disk, choice) {
  try {
    return await stackOver(disk, choice);
  } catch (error) {
    await disk.close();
    throw error;
  }
}

/** @param {Disk} disk @param {Choice} choice @returns {Promise<Stack>} */
async function stackOver(disk, choice) {
  if (choice.writes === "through") return through(disk);
  const changes = await changesOf(disk, choice.writes === "keep");
  try {
    return apart(disk, changes);
  } catch (error) {
    await changes.notes.close();
    await changes.store.close();
    throw error;
  }
}

/** @param {Disk} disk @returns {Stack} */
function through(disk) {
  if (disk.readOnly) throw new NbdError("READ_ONLY", "The export is read-only, so the machine can't write to it. Choose another place for what it writes, or have the server export it writable.");
  const map = new BlockMap(disk.size), counts = new Counts(map);
  const digests = new Digests(); // of nothing: the machine changes what it reads
  const cached = withCache(countTrips(disk, counts));
  const drive = v86Disk(countReads(cached, counts), { writes: "through", cache: false });
  return { disk, cached, drive, store: undefined, digests, notes: Notes.none(digests), map, counts };
}

/** @param {Disk} disk @param {Awaited<ReturnType<typeof changesOf>>} changes @returns {Stack} */
function apart(disk, { store, digests, notes }) {
  const map = new BlockMap(disk.size), counts = new Counts(map);
  for (const { offset, length } of store.extents(0, disk.size)) map.mark("written", offset, length);
  const base = countTrips(disk, counts);
  const cached = withCache(crypto.subtle ? verified(base, digests) : base);
  const counted = countStore(store, counts, () => notes.changing());
  const drive = v86Disk(countReads(cached, counts), { store: counted, cache: false });
  drive.closed.then(() => notes.close());
  return { disk, cached, drive, store, digests, notes, map, counts };
}

/**
 * The changes that there are of a disk, and what is known of it.
 * @param {Disk} disk
 * @param {boolean} keep in this browser, or else in memory
 * @returns {Promise<{store: OverlayStore, digests: Digests, notes: Notes}>}
 */
export async function changesOf(disk, keep) {
  const identity = /** @type {string} */ (disk.identity);
  if (keep) {
    const machine = await machineOf(identity);
    const store = await opfsStore(machine, { size: disk.size, identity });
    try {
      const { notes, digests } = await Notes.open(machine, store.extents(0, disk.size).length > 0);
      return { store, digests, notes };
    } catch (error) {
      await store.close();
      throw error;
    }
  }
  const found = memories.get(identity) ?? { store: memoryStore({ limit: memoryLimit }), digests: new Digests() };
  memories.set(identity, found);
  if (found.store.extents(0, disk.size).length === 0) found.digests.become(new Digests()); // nothing hangs on what was read
  return { ...found, notes: Notes.none(found.digests) };
}

/** Forgets the changes that are kept in memory. @param {string} identity */
export function forgetMemory(identity) {
  memories.delete(identity);
}

/**
 * The name under which this browser keeps what belongs to a disk.
 * @param {string} identity
 */
export async function machineOf(identity) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(identity)));
  return `vm-${[...digest.subarray(0, 16)].map((b) => b.toString(16).padStart(2, "0")).join("")}`;
}

/**
 * Bytes that an overlay holds.
 * @param {Pick<Stack, "store" | "disk">} stack
 */
export function dirtyBytes({ store, disk }) {
  return store ? store.extents(0, disk.size).reduce((sum, { length }) => sum + length, 0) : 0;
}
