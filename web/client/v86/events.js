/**
 * What a disk of an emulator tells. Times are in milliseconds.
 * @typedef {object} V86DiskEvents
 * @property {{since: number}} stalled a request of the guest waits for stallAfter
 *   now; since as by Date.now()
 * @property {{after: number}} resumed nothing of the guest's waits that long any more
 * @property {{error: NbdError}} error a request of the guest will not be
 *   answered, or a state was refused; the emulator was stopped
 * @property {{error: NbdError | undefined}} closed once, at the end; with why, unless it was close()
 */

/** @typedef {import("../errors.js").NbdError} NbdError */
/** @typedef {keyof V86DiskEvents} EventName */

/** @type {readonly EventName[]} */
export const v86Events = ["stalled", "resumed", "error", "closed"];

/**
 * Calls what is not ours: what it throws is its owner's affair, who learns of
 * it as of any uncaught error.
 * @param {() => void} call
 */
export function unharmed(call) {
  try {
    call();
  } catch (error) {
    queueMicrotask(() => { throw error; });
  }
}
