// One disk at a time, the machine that has it, and what can be done with both.
import { Progress } from "../../client/progress.js";
import { keepsFiles } from "./files.js";
import { Digests } from "./digests.js";
import { loadFirmware } from "./firmware.js";
import { Machine } from "./machine.js";
import { findSaved, forgetSaved, loadSaved, saveFile } from "./saved.js";
import { dirtyBytes, machineOf, openDisk, openStack } from "./stack.js";
import { checkSample } from "./verified.js";

/** @typedef {import("./stack.js").Stack} Stack */
/** @typedef {import("./stack.js").Place} Place */
/** @typedef {import("./choice.js").Choice} Choice */
/** @typedef {import("./saved.js").Saved} Saved */
/** @typedef {import("../../client/progress.js").ProgressState} ProgressState */
/** @typedef {import("../../client/errors.js").NbdError} NbdError */

/**
 * Off: nothing is open. Ready: the disk is open. Failed: the machine was
 * stopped by an error, and its disk is still open.
 * @typedef {"off" | "ready" | "running" | "paused" | "failed"} Phase
 */

/**
 * @typedef {object} Surroundings
 * @property {() => void} changed something of the session is other than before
 * @property {(error: unknown) => void} stopped the machine was stopped by an error
 * @property {(error: unknown) => void} unwritten the disk was closed without all that the machine wrote
 * @property {(error: unknown) => void} lost the disk has ended by itself
 * @property {() => HTMLElement} screen a container for the next machine
 */

/** What the page is about. It does one thing at a time: its caller sees to that. */
export class Session {
  #around;
  /** @type {Place | undefined} */ place;
  /** @type {Choice | undefined} */ choice;
  /** Of the disk that was opened last. @type {string | undefined} */ identity;
  /** Under which files are kept, where they can be. @type {string | undefined} */ name;
  /** @type {Stack | undefined} */ stack;
  /** @type {Machine | undefined} */ machine;
  /** @type {Saved | undefined} */ saved;
  /** Fulfils when what was ended has let go of its files. */ #ending = Promise.resolve();
  /** Of the last failure. @type {"failed" | undefined} */ #failure;
  /** The disk does not answer, and the machine stands still for it. */ waiting = false;

  /** @param {Surroundings} around */
  constructor(around) {
    this.#around = around;
  }

  /** @returns {Phase} */
  get phase() {
    if (!this.stack) return "off";
    return this.#failure ?? (this.machine ? (this.machine.wanted ? "running" : "paused") : "ready");
  }

  /**
   * Opens a disk, in place of the one before.
   * @param {Place} place
   * @param {Choice} choice
   * @param {AbortSignal} signal
   */
  async open(place, choice, signal) {
    await this.end();
    Object.assign(this, { place, choice, saved: undefined, identity: undefined, name: undefined });
    const disk = await openDisk(place, choice.writes !== "through", signal);
    this.identity = disk.identity;
    if (keepsFiles()) this.name = await machineOf(/** @type {string} */ (disk.identity));
    const stack = await openStack(disk, choice);
    this.stack = stack;
    this.#watch(stack);
    if (this.name && choice.writes !== "through") this.saved = await findSaved(this.name);
    this.#around.changed();
  }

  /** @param {Stack} stack */
  #watch(stack) {
    stack.drive.on("error", ({ error }) => {
      if (this.stack !== stack) return this.#unwritten(error);
      this.#failure = "failed";
      if (this.machine) this.machine.wanted = false;
      this.#around.stopped(error);
      this.#around.changed();
    });
    for (const type of /** @type {const} */ (["stalled", "resumed"])) stack.drive.on(type, () => {
      this.waiting = type === "stalled" && this.stack === stack;
      this.#around.changed();
    });
    stack.drive.closed.then((error) => {
      if (this.stack !== stack) return;
      this.end().then(() => this.#around.lost(error ?? "The server closed it."));
    });
  }

  /** What fails while a disk is closed is lost, unless nobody waits for it any more. @param {NbdError} error */
  #unwritten(error) {
    if (error.code !== "CLOSED") this.#around.unwritten(error);
  }

  /** Boots from the disk that is open. @param {AbortSignal} signal */
  async boot(signal) {
    const { stack, choice } = this.#open();
    await this.#start(stack, choice, signal, async () => {
      if (dirtyBytes(stack) > 0) await checkSample(stack.cached, stack.digests, signal);
    });
  }

  /** Opens the disk, where it was closed since. @param {AbortSignal} signal */
  async reopen(signal) {
    const { place, choice } = this.#known();
    if (!this.stack) await this.open(place, choice, signal);
  }

  /** Opens the disk anew and boots. @param {AbortSignal} signal */
  async start(signal) {
    const { place, choice } = this.#known();
    await this.open(place, choice, signal);
    await this.boot(signal);
  }

  /** Goes on from the saved state. @param {AbortSignal} signal */
  async resume(signal) {
    const { place, choice } = this.#known();
    if (this.phase !== "ready") await this.open(place, choice, signal);
    const { stack, saved } = this.#open();
    if (!saved) throw new Error("There is no saved state of this disk.");
    const { memory, media } = saved.facts;
    this.choice = { ...choice, memory, media };
    /** @type {ArrayBuffer} */ let state;
    await this.#start(stack, this.choice, signal, async () => { state = await this.#load(stack, saved, signal); }, async (machine) => {
      await machine.restore(state);
      if (choice.writes === "keep") await stack.notes.unchanged();
    });
  }

  /**
   * What is known of the base is what the state knew, unless that is refused.
   * @param {Stack} stack
   * @param {Saved} saved
   * @param {AbortSignal} signal
   */
  async #load(stack, saved, signal) {
    const { digests, state } = await loadSaved(saved);
    const before = new Digests();
    before.become(stack.digests);
    stack.digests.become(digests);
    try {
      await checkSample(stack.cached, stack.digests, signal);
    } catch (error) {
      stack.digests.become(before);
      throw error;
    }
    return state;
  }

  /**
   * @param {Stack} stack
   * @param {Choice} choice
   * @param {AbortSignal} signal
   * @param {() => Promise<void>} check
   * @param {(machine: Machine) => Promise<void>} [prepare]
   */
  async #start(stack, choice, signal, check, prepare) {
    try {
      const firmware = await loadFirmware();
      await check();
      const machine = await Machine.make(firmware, stack, choice, this.#around.screen());
      if (this.stack !== stack) return await machine.end(); // it was lost meanwhile, which was told
      this.machine = machine;
      signal.throwIfAborted();
      machine.listen("cpu-event-halt", () => {
        machine.halted = true;
        this.#around.changed();
      });
      this.#around.changed();
      await prepare?.(machine);
      if (this.machine !== machine) return;
      machine.run();
      this.#around.changed();
    } catch (error) {
      await this.end();
      throw error;
    }
  }

  /** Whether to go on from the saved state would take back what was changed since: the disk is open. */
  async wouldLose() {
    const { stack, saved } = this.#open();
    if (!saved || dirtyBytes(stack) === 0) return false;
    return !(saved.facts.kept && await stack.notes.areUnchanged().catch(() => false));
  }

  /**
   * Keeps the machine as it is now, for resume().
   * @param {AbortSignal} signal
   * @param {(state: ProgressState) => void} tell
   */
  async save(signal, tell) {
    const { stack, choice } = this.#open();
    const name = /** @type {string} */ (this.name);
    await this.paused(async (machine) => {
      const state = await machine.save(signal);
      const progress = new Progress(state.byteLength, tell);
      const about = { time: Date.now(), identity: /** @type {string} */ (this.identity), memory: choice.memory, media: choice.media, kept: choice.writes === "keep" };
      await saveFile(name, about, stack.digests, state, { signal, onBytes: (count) => progress.add(count) });
      progress.end();
      await stack.notes.unchanged();
      this.saved = await findSaved(name);
    });
    this.#around.changed();
  }

  /**
   * Does something while the machine stands still.
   * @param {(machine: Machine) => Promise<void>} task
   */
  async paused(task) {
    const machine = /** @type {Machine} */ (this.machine);
    const ran = machine.wanted;
    await machine.pause();
    try {
      await task(machine);
    } finally {
      if (ran && this.machine === machine && !this.#failure) machine.run();
      this.#around.changed();
    }
  }

  async forget() {
    if (this.name) await forgetSaved(this.name);
    this.saved = undefined;
    this.#around.changed();
  }

  async toggle() {
    const { machine } = this;
    if (machine?.wanted) await machine.pause();
    else machine?.run();
    this.#around.changed();
  }

  /**
   * Presses the reset button. After a failure the disk is opened anew: what
   * could not be written would be in the way of what is written next.
   * @param {AbortSignal} signal
   */
  async restart(signal) {
    if (this.#failure) return this.start(signal);
    this.machine?.restart();
    this.#around.changed();
  }

  /** Ends the machine and closes its disk; never rejects. */
  end() {
    const { machine, stack } = this;
    this.machine = undefined;
    this.stack = undefined;
    this.#failure = undefined;
    this.waiting = false;
    this.#around.changed();
    const before = this.#ending;
    this.#ending = (async () => {
      await before;
      await machine?.end().catch(() => {}); // nothing of it is used any more
      await stack?.drive.close();
      await stack?.notes.close();
    })();
    return this.#ending;
  }

  #known() {
    const { place, choice } = this;
    if (!place || !choice) throw new Error("No disk was chosen yet.");
    return { place, choice };
  }

  #open() {
    const { stack, saved } = this;
    if (!stack) throw new Error("No disk is open.");
    return { stack, saved, ...this.#known() };
  }
}
