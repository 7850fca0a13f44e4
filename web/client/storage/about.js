/** Bytes of the file, which is written as a whole. */
const aboutSize = 1024;
export const aboutName = "about";

/**
 * What a folder of lines says of itself. Whoever opens it has the rest.
 * @typedef {object} About
 * @property {1} version of the files
 * @property {string} name for people
 * @property {number} size of the device, in bytes
 * @property {number} lineSize in bytes
 * @property {number} used when it was last opened, as Date.now() tells it
 * @property {boolean} [unsettled] changes of the device may be under way
 */

/** @param {About} about @returns {Uint8Array<ArrayBuffer>} */
export function writeAbout(about) {
  return new TextEncoder().encode(JSON.stringify(about).padEnd(aboutSize));
}

/**
 * @param {Uint8Array} bytes as they were found
 * @returns {About | undefined} nothing if it is none
 */
export function readAbout(bytes) {
  if (bytes.length > aboutSize * 4) return undefined;
  try {
    const about = JSON.parse(new TextDecoder().decode(bytes));
    return about?.version === 1 && typeof about.name === "string" && Number.isFinite(about.used) ? about : undefined;
  } catch {
    return undefined; // it was being written when the page ended
  }
}
