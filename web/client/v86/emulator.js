import { NbdError, invalid } from "../errors.js";
import { check, isSignal } from "../options.js";
import { unlessAborted } from "../signals.js";

/**
 * What is used of a V86: any version of it will do.
 * @typedef {object} Emulator
 * @property {() => Promise<void>} run
 * @property {() => Promise<void>} stop
 * @property {() => boolean} is_running
 */

/** @typedef {Emulator & {save_state: () => Promise<ArrayBuffer>}} SavingEmulator */
/** @typedef {Emulator & {eject_cdrom: () => void}} EmulatorWithCdrom */

/** How long an emulator may take to stop, in milliseconds: it does between two ticks. */
const stopLimit = 10_000;

/**
 * How many want an emulator stopped, and whether it is they who stopped it.
 * @typedef {{count: number, ours: boolean, stopped: Promise<void>}} Hold
 */

/** Of the disks of one emulator together. @type {WeakMap<Emulator, Hold>} */
const holds = new WeakMap();

/**
 * Stops an emulator until it is let go. It runs again when nobody holds it any
 * more, if it ran before.
 * @param {Emulator} emulator
 * @returns {{stopped: Promise<void>, release: () => void}}
 */
export function hold(emulator) {
  const found = holds.get(emulator) ?? { count: 0, ours: false, stopped: Promise.resolve() };
  holds.set(emulator, found);
  if (found.count++ === 0) {
    found.ours = emulator.is_running();
    found.stopped = found.ours ? stop(emulator) : Promise.resolve();
  }
  let held = true;
  const release = () => {
    if (!held) return;
    held = false;
    if (--found.count === 0 && found.ours) run(emulator);
  };
  return { stopped: found.stopped, release };
}

/**
 * Stops an emulator for good: whoever holds it will not make it run again.
 * @param {Emulator} emulator
 */
export function halt(emulator) {
  const found = holds.get(emulator);
  if (found) found.ours = false;
  stop(emulator);
}

/** @param {Promise<void>} stopped @returns {Promise<void>} */
function inTime(stopped) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new NbdError("TIMEOUT", "The emulator has not stopped, so that it could be saved. Let nobody run it meanwhile.", {}, { stage: "client" })), stopLimit);
    stopped.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

/** @param {Emulator} emulator */
function run(emulator) {
  Promise.resolve(emulator.run()).catch(() => {}); // destroyed meanwhile
}

/**
 * V86's promise stays pending where run() comes before the emulator has
 * stopped, so only those who hold it may wait.
 * @param {Emulator} emulator
 */
function stop(emulator) {
  const stopped = Promise.resolve(emulator.stop());
  stopped.catch(() => {}); // destroyed meanwhile
  return stopped;
}

/**
 * Puts a disk into the CD-ROM drive of an emulator that has started, or takes
 * out what is in it: V86's own set_cdrom knows only URLs and buffers.
 * @param {EmulatorWithCdrom} emulator
 * @param {import("./disk.js").V86Disk | null} disk null: the drive is left empty
 */
export function setCdrom(emulator, disk) {
  const drive = /** @type {any} */ (emulator)?.v86?.cpu?.devices?.cdrom;
  if (typeof drive?.set_cdrom !== "function") throw invalid("The emulator has no CD-ROM drive yet: wait for its event emulator-ready.");
  if (disk === null) return emulator.eject_cdrom();
  if (disk.byteLength % 2048 !== 0) throw invalid(`A CD-ROM has sectors of 2048 bytes, and the device has ${disk.byteLength} bytes: use it as hda or hdb.`);
  drive.set_cdrom(disk);
}

/**
 * Saves the state of an emulator with its disks: stops it, waits until nothing
 * is under way, saves, and lets it run again if it ran.
 * @param {SavingEmulator} emulator
 * @param {readonly import("./disk.js").V86Disk[]} disks all that it has
 * @param {{signal?: AbortSignal}} [options]
 * @returns {Promise<ArrayBuffer>} for restore_state of an emulator with the
 *   same options and disks of the same exports; it rejects with the error of a
 *   request that could not be answered
 */
export async function saveState(emulator, disks, options = {}) {
  const { signal } = check(options, { signal: isSignal });
  const { stopped, release } = hold(emulator);
  try {
    await unlessAborted(inTime(stopped), signal);
    for (const disk of disks) await disk.quiesce({ signal });
    return await emulator.save_state();
  } finally {
    release();
  }
}
