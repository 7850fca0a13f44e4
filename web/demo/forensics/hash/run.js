// One reading of something, for its hashes.
import { hash } from "../../../client/copy/index.js";
import { region } from "../../../client/layers/index.js";
import { names as known } from "./expected.js";
import { firstBad, unreadable, watched } from "./failure.js";

/** @typedef {import("./expected.js").HashName} HashName */
/** @typedef {import("./expected.js").Sums} Sums */

/**
 * What is hashed.
 * @typedef {object} Subject
 * @property {import("../../inspect/inspector.js").BlockDevice} device
 * @property {number} offset of the stretch on the device
 * @property {number} length
 * @property {string} name not made visible
 * @property {string} disk such as "export vda", the same
 * @property {boolean} isFile
 */

/**
 * What came out.
 * @typedef {object} Run
 * @property {Subject} subject
 * @property {Sums} sums
 * @property {string} start ISO 8601, UTC
 * @property {number} seconds
 * @property {number} skipped bytes that were not read: the server told that they are zeros
 */

/**
 * @param {import("../../inspect/session.js").Stretch} stretch
 * @param {string} disk
 * @returns {Subject}
 */
export function subjectOf({ device, name, offset = 0, length = device.size - offset, close }, disk) {
  return { device, offset, length, name, disk, isFile: Boolean(close) };
}

/** @typedef {{signal: AbortSignal, onProgress: (state: import("../../../client/progress.js").ProgressState) => void}} Options */

/**
 * @param {Subject} subject
 * @param {readonly HashName[]} names
 * @param {Options} options
 * @returns {Promise<Run>} rejects as hash() does, and where a sector can't be
 *   read with an error that says which
 */
export async function hashOf(subject, names, { signal, onProgress }) {
  const { device, failed } = watched(region(subject.device, { offset: subject.offset, length: subject.length }));
  const start = new Date().toISOString();
  const began = performance.now();
  let skipped = 0;
  const sums = await hash(device, [...names], {
    signal,
    onProgress: (state) => {
      skipped = state.skipped;
      onProgress(state);
    },
  }).catch(async (error) => {
    const range = failed();
    throw range && !signal.aborted ? unreadable(error, subject, await firstBad(device, range, signal)) : error;
  });
  return { subject, sums: inOrder(sums), start, seconds: (performance.now() - began) / 1000, skipped };
}

/** @param {Sums} sums @returns {Sums} */
function inOrder(sums) {
  return Object.fromEntries(known.filter((name) => sums[name] !== undefined).map((name) => [name, sums[name]]));
}
