// What a machine has changed, as a whole: discarded, written to the export, or carried to a file and back.
import { NbdError } from "../../client/index.js";
import { deleteOverlay, withOverlay } from "../../client/layers/index.js";
import { Progress } from "../../client/progress.js";
import { saveAs } from "../../client/save/index.js";
import { removeNotes } from "./notes.js";
import { changesOf, dirtyBytes, forgetMemory, openDisk } from "./stack.js";
import { checkSample, verified } from "./verified.js";

/** @typedef {import("./session.js").Session} Session */
/** @typedef {import("../../client/progress.js").ProgressState} ProgressState */
/** @typedef {(state: ProgressState) => void} Tell */

/**
 * Discards the changes. The machine is ended; a saved state stays.
 * @param {Session} session
 */
export async function discard(session) {
  await session.end();
  const { identity, name, choice } = session;
  if (identity && choice?.writes === "forget") forgetMemory(identity);
  if (!name || choice?.writes !== "keep") return;
  await deleteOverlay(name);
  await removeNotes(name);
}

/**
 * Writes the changes to the export and forgets them, and what does not fit the
 * export any more then. The machine is ended.
 * @param {Session} session
 * @param {AbortSignal} signal
 * @param {Tell} tell
 */
export async function commit(session, signal, tell) {
  await onDisk(session, false, signal, async ({ disk, store, digests, notes }) => {
    if (disk.readOnly) throw new NbdError("READ_ONLY", "The export is read-only, so nothing was written. Have the server export it writable, and commit again; the changes are still here.");
    if (crypto.subtle) await checkSample(verified(disk, digests), digests, signal);
    await notes.forget();
    await session.forget();
    const progress = progressOf(dirtyBytes({ store, disk }), tell);
    await withOverlay(disk, store).commit({ signal, onProgress: ({ done }) => progress.to(done) });
    progress.end();
  });
}

/**
 * Saves the changes as a file. A machine that runs stands still meanwhile.
 * @param {Session} session
 * @param {AbortSignal} signal
 * @param {Tell} tell
 */
export async function exportChanges(session, signal, tell) {
  const { stack, machine } = session;
  if (!stack?.store || !machine) return onDisk(session, true, signal, ({ disk, store }) => saveChanges(disk, store, signal, tell));
  const { disk, store } = stack;
  await session.paused(async () => {
    await machine.quiesce(signal); // so that nobody else uses the store
    await saveChanges(disk, store, signal, tell);
  });
}

/**
 * @param {import("../../client/index.js").Disk} disk
 * @param {import("../../client/layers/index.js").OverlayStore} store
 * @param {AbortSignal} signal
 * @param {Tell} tell
 */
async function saveChanges(disk, store, signal, tell) {
  const stream = await withOverlay(disk, store).export({ signal });
  const total = dirtyBytes({ store, disk });
  await saveAs(stream, `${disk.exportName || "disk"}.changes`, { signal, onProgress: (state) => tell({ ...state, total: Math.max(total, state.done) }) });
}

/**
 * Puts the changes of a file in the place of those that are here. The machine is ended.
 * @param {Session} session
 * @param {File} file
 * @param {AbortSignal} signal
 * @returns {Promise<number>} bytes that are changed then
 */
export function importChanges(session, file, signal) {
  return onDisk(session, true, signal, async ({ disk, store, notes }) => {
    await notes.changing();
    await withOverlay(disk, store).import(file, { signal });
    await store.flush();
    return dirtyBytes({ store, disk });
  });
}

/**
 * Ends the machine, and has the changes for a while.
 * @template T
 * @param {Session} session
 * @param {boolean} readOnly
 * @param {AbortSignal} signal
 * @param {(found: {disk: import("../../client/index.js").Disk} & Awaited<ReturnType<typeof changesOf>>) => Promise<T>} task
 * @returns {Promise<T>}
 */
async function onDisk(session, readOnly, signal, task) {
  await session.end();
  const { place, choice } = session;
  if (!place || !choice) throw new Error("No disk was chosen yet.");
  const disk = await openDisk(place, readOnly, signal);
  try {
    const found = await changesOf(disk, choice.writes === "keep");
    try {
      return await task({ disk, ...found });
    } finally {
      await found.notes.close();
      await found.store.close();
    }
  } finally {
    await disk.close();
  }
}

/** @param {number} total @param {Tell} tell */
function progressOf(total, tell) {
  const progress = new Progress(total, tell);
  let last = 0;
  return {
    to(/** @type {number} */ done) {
      progress.add(done - last);
      last = done;
    },
    end: () => progress.end(),
  };
}
