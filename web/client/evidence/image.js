import { invalid } from "../errors.js";

/**
 * The disk in an image, for instance for a pass over it. Of zstd, frames are
 * checked as they are read: a damaged one rejects with DAMAGED.
 * @param {import("./types.js").Format} format
 * @param {import("../device.js").BlockDevice} device the file of the image
 * @param {import("./acquire.js").Files & {signal?: AbortSignal}} [options]
 * @returns {Promise<import("../device.js").BlockDevice>} read-only; close() closes
 *   the file's device too
 */
export async function imageOf(format, device, options = {}) {
  throw invalid(`not yet: ${format} ${device.size} ${options}`);
}
