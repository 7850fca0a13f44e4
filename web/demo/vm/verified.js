// The base of a machine, held to what was read of it before.
import { Device } from "../../client/device.js";
import { NbdError } from "../../client/index.js";
import { passing } from "./counting.js";
import { lineSize, same } from "./digests.js";

/** Lines that are compared before a machine goes on. */
const sampleSize = 16;

/** @typedef {import("../../client/index.js").BlockDevice} BlockDevice */
/** @typedef {import("./digests.js").Digests} Digests */

/**
 * A read-only view that notes the digest of each line that it reads, and
 * rejects with IDENTITY, then and for ever, when a line is not what it was.
 * It reads whole lines; the cache above asks for nothing else.
 * @param {BlockDevice} device
 * @param {Digests} digests what is known, and what will be
 * @returns {Device}
 */
export function verified(device, digests) {
  /** @type {NbdError | undefined} */ let refusal;
  return new Device({
    ...passing(device),
    async read(offset, length, { signal }) {
      if (refusal) throw refusal;
      const from = offset - offset % lineSize;
      const to = Math.min(Math.ceil((offset + length) / lineSize) * lineSize, device.size);
      const bytes = await device.read(from, to - from, { signal });
      for (let at = from; at < to; at += lineSize) {
        const known = await note(digests, at / lineSize, bytes.subarray(at - from, at - from + lineSize));
        if (!known) throw refusal = changed(at);
      }
      return bytes.slice(offset - from, offset - from + length);
    },
  });
}

/**
 * @param {Digests} digests
 * @param {number} line
 * @param {Uint8Array<ArrayBuffer>} bytes
 * @returns {Promise<boolean>} whether it is what it was
 */
async function note(digests, line, bytes) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  const known = digests.get(line);
  if (!known) digests.set(line, digest);
  return !known || same(known, digest);
}

/** @param {number} offset */
function changed(offset) {
  return new NbdError("IDENTITY", `The export has changed since this machine has read it: its ${lineSize / 1024} KiB at byte ${offset} are not what they were. What the machine has changed or saved does not fit any more. Serve the export as it was, or discard the changes and forget the saved state to start afresh.`, { offset });
}

/**
 * Reads some of what is known once more, through a verified device or what is
 * above it, which rejects if it is something else now: the first line, the one
 * in which the first partition begins with its superblock, and others that are
 * spread over what is known.
 * @param {BlockDevice} device
 * @param {Digests} digests
 * @param {AbortSignal} [signal]
 * @returns {Promise<number>} how many lines were compared
 */
export async function checkSample(device, digests, signal) {
  const start = digests.get(0) ? firstPartition(await device.read(0, Math.min(2048, device.size), { signal })) : 0;
  const lines = sampleOf(digests.lines(), Math.floor(start / lineSize));
  await Promise.all(lines.map((line) => device.read(line * lineSize, 1, { signal })));
  return lines.length;
}

/**
 * @param {number[]} lines in order
 * @param {number} superblock the line that has it
 */
export function sampleOf(lines, superblock) {
  const chosen = new Set([0, superblock].filter((line) => lines.includes(line)));
  const count = Math.min(sampleSize - chosen.size, lines.length);
  for (let i = 0; i < count; i++) chosen.add(lines[Math.floor(i * (lines.length - 1) / Math.max(count - 1, 1))]);
  return [...chosen];
}

/**
 * Where the first partition begins, by an MBR or a GPT.
 * @param {Uint8Array} bytes the first ones of a disk, 2048 or fewer
 * @returns {number} in bytes; 0 where there are no partitions
 */
export function firstPartition(bytes) {
  if (bytes.length < 512 || bytes[510] !== 0x55 || bytes[511] !== 0xaa) return 0;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes[450] !== 0xee) return view.getUint32(454, true) * 512;
  return bytes.length < 1064 ? 0 : Number(view.getBigUint64(1056, true)) * 512;
}
