import { v86Disk } from "../../client/v86/index.js";
import { MemoryDisk } from "./memory-disk.js";

/** Lets what is ready run, also while timers are mocked. */
export const turn = () => new Promise((resolve) => setImmediate(resolve));

/** What disks use of a V86. */
export class FakeEmulator {
  running = true;
  /** What was asked of it. @type {string[]} */ calls = [];
  /** For tests whose emulator takes its time. */ stopped = () => {};
  /** What the next save_state does. @type {() => Promise<ArrayBuffer>} */ save = async () => new ArrayBuffer(0);

  async run() {
    this.calls.push("run");
    this.running = true;
  }

  async stop() {
    this.calls.push("stop");
    this.running = false;
  }

  is_running() { return this.running; }
  save_state() { return this.save(); }
}

/** A V86 that starts with its disk, saves and restores it, and has a CD-ROM drive. */
export class V86 extends FakeEmulator {
  /** @param {{hda: import("../../client/v86/index.js").V86Disk}} options */
  constructor({ hda }) {
    super();
    /** @type {unknown[]} */ let state = [];
    hda.onload = () => hda.get_and_cache(0, 512, () => hda.get_from_cache(0, 512));
    hda.load();
    this.save = async () => {
      state = hda.get_state();
      return new ArrayBuffer(8);
    };
    this.restore_state = async () => hda.set_state(state);
    this.v86 = { cpu: { devices: { cdrom: { set_cdrom: () => {} } } } };
  }

  eject_cdrom() {}
}

/**
 * A disk over a MemoryDisk, and what it told.
 * @param {import("../../client/v86/index.js").V86DiskOptions} [options]
 * @param {{size?: number, memory?: MemoryDisk}} [over]
 */
export function guestDisk(options = {}, { size = 65536, memory = new MemoryDisk(size) } = {}) {
  const disk = v86Disk(memory.device, { cache: false, ...options });
  const emulator = new FakeEmulator();
  disk.attach(emulator);
  /** @type {string[]} */ const told = [];
  disk.on("error", ({ error }) => told.push(`error ${error.code}`));
  disk.on("stalled", () => told.push("stalled"));
  disk.on("resumed", ({ after }) => told.push(`resumed ${after}`));
  disk.on("closed", ({ error }) => told.push(`closed ${error?.code}`));
  return { memory, disk, emulator, told };
}

/**
 * What V86 does with an answer: it counts them.
 * @template [T=Uint8Array]
 */
export class Answer {
  /** @type {T[]} */ all = [];
  /** @type {(value?: any) => void} */ done = (value) => { this.all.push(value); };
}

/** @param {import("../../client/v86/index.js").V86Disk} disk @param {number} offset @param {number} length */
export function reading(disk, offset, length) {
  return /** @type {Promise<Uint8Array>} */ (new Promise((resolve) => disk.get(offset, length, resolve)));
}

/** @param {import("../../client/v86/index.js").V86Disk} disk @param {number} offset @param {Uint8Array} bytes */
export function writing(disk, offset, bytes) {
  return /** @type {Promise<void>} */ (new Promise((resolve) => disk.set(offset, bytes, resolve)));
}

/** @param {number} value @param {number} [length] */
export const sector = (value, length = 512) => new Uint8Array(length).fill(value);
