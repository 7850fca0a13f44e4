import { checkDevice, checkRange } from "../checks.js";
import { Device } from "../device.js";
import { invalid } from "../errors.js";
import { check, isFunction, isSignal } from "../options.js";
import { mapBounded } from "../signals.js";
import { through } from "./region.js";

/** @typedef {import("../device.js").BlockDevice} BlockDevice */

/** What is noted is rounded to chunks of this many bytes. */
const chunk = 64 << 10;
/** Chunks noted; reads of others are not. 4 GiB of a device. */
const chunkLimit = 65536;
/** The most that prefetch reads at once, in bytes, and how many such reads are under way. */
const prefetchLength = 1 << 20;
const prefetchesAtOnce = 4;

/**
 * What was read of a device, in the order in which it was first read. It is
 * plain data, and survives JSON.
 * @typedef {object} Profile
 * @property {1} version
 * @property {number} size of the device, in bytes
 * @property {[offset: number, length: number][]} ranges in bytes
 */

/**
 * Notes what is read: put it under a guest that boots, and give the profile to
 * prefetch() the next time.
 * @param {BlockDevice} device
 * @returns {Recorder} a device like the given one
 */
export function record(device) {
  return new Recorder(checkDevice(device));
}

/** What record gives. */
export class Recorder extends Device {
  /** @type {Set<number>} */ #chunks;

  /**
   * For record, which is how to get one.
   * @param {BlockDevice} device
   */
  constructor(device) {
    /** @type {Set<number>} */
    const chunks = new Set();
    const note = (/** @type {number} */ offset, /** @type {number} */ length) => addChunks(chunks, offset, length);
    super({
      ...through(device, 0, device.size),
      read: (offset, length, options) => (note(offset, length), device.read(offset, length, options)),
      readMany: (ranges, options) => (ranges.forEach((r) => note(r.offset, r.length)), device.readMany(ranges, options)),
    });
    this.#chunks = chunks;
  }

  /**
   * What was read so far: the first 4 GiB of it, in steps of 64 KiB.
   * @returns {Profile}
   */
  profile() {
    /** @type {[number, number][]} */
    const ranges = [];
    for (const i of this.#chunks) {
      const offset = i * chunk;
      const last = ranges.at(-1);
      if (last && last[0] + last[1] === offset) last[1] += Math.min(chunk, this.size - offset);
      else ranges.push([offset, Math.min(chunk, this.size - offset)]);
    }
    return { version: 1, size: this.size, ranges };
  }
}

/** @param {Set<number>} chunks @param {number} offset @param {number} length */
function addChunks(chunks, offset, length) {
  const end = Math.ceil((offset + length) / chunk);
  for (let i = Math.floor(offset / chunk); i < end && chunks.size < chunkLimit; i++) chunks.add(i);
}

/**
 * Reads what a profile lists, in its order, to have it in the cache: give the
 * device that withCache gave. What does not fit into the cache is read in vain.
 * @param {BlockDevice} device
 * @param {Profile} profile of a device of the same size
 * @param {object} [options]
 * @param {AbortSignal} [options.signal]
 * @param {(progress: {done: number, total: number}) => void} [options.onProgress] in bytes
 * @returns {Promise<void>} rejects with the first read that fails
 */
export async function prefetch(device, profile, options = {}) {
  checkDevice(device);
  const { signal, onProgress } = check(options, { signal: isSignal, onProgress: isFunction });
  const ranges = checkProfile(profile, device.size);
  const total = sumOf(ranges);
  let done = 0;
  await mapBounded(ranges.flatMap(cut), prefetchesAtOnce, signal, async ({ offset, length }, scope) => {
    await device.read(offset, length, { signal: scope });
    onProgress?.({ done: done += length, total });
  });
}

/**
 * It may come from anywhere.
 * @param {any} profile
 * @param {number} size
 */
function checkProfile(profile, size) {
  if (profile?.version !== 1 || !Array.isArray(profile.ranges)) throw invalid("This is not a profile: want what the method profile() of record() gave.");
  if (profile.size !== size) throw invalid(`The profile is of a device of ${profile.size} bytes, and this one has ${size}. Record one of this device.`);
  if (profile.ranges.length > chunkLimit) throw invalid(`The profile has ${profile.ranges.length} ranges: want ${chunkLimit} at most.`);
  /** @type {{offset: number, length: number}[]} */
  const ranges = profile.ranges.map((/** @type {any} */ range) => {
    const [offset, length] = checkRange(range?.[0], range?.[1], size);
    return { offset, length };
  });
  if (sumOf(ranges) > size) throw invalid("The ranges of the profile overlap. Record another.");
  return ranges;
}

/** @param {{length: number}[]} ranges */
function sumOf(ranges) {
  return ranges.reduce((sum, { length }) => sum + length, 0);
}

/** @param {{offset: number, length: number}} range */
function cut({ offset, length }) {
  const list = [];
  for (let at = 0; at < length; at += prefetchLength) list.push({ offset: offset + at, length: Math.min(prefetchLength, length - at) });
  return list;
}
