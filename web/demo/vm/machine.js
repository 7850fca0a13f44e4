// One emulator with its disk.
import { NbdError } from "../../client/index.js";
import { saveState } from "../../client/v86/index.js";

/** @typedef {import("./firmware.js").Firmware} Firmware */
/** @typedef {import("./stack.js").Stack} Stack */

const vgaMemory = 8 << 20;
/** How long the emulator has to get ready, in milliseconds. */
const loadLimit = 60_000;
/** Of V86: the first digit from the right is tried first. */
const bootOrders = { disk: 0x132, cdrom: 0x123 };

/** An emulator that has been made: it runs when it is told to. */
export class Machine {
  #emulator;
  #drive;
  /** Whether it should run: an outage may keep it from it. */ wanted = false;
  /** The disk does not answer: a guest that ran would give it up. */ #held = false;
  /** Whether its system has shut down, and waits for the switch. */ halted = false;

  /** @param {any} emulator @param {import("../../client/v86/index.js").V86Disk} drive */
  constructor(emulator, drive) {
    this.#emulator = emulator;
    this.#drive = drive;
    drive.attach(emulator);
    drive.on("stalled", () => { this.#held = true; });
    drive.on("resumed", () => {
      this.#held = false;
      if (this.wanted) emulator.run();
      else emulator.stop();
    });
  }

  /**
   * @param {Firmware} firmware
   * @param {Stack} stack
   * @param {import("./choice.js").Choice} choice
   * @param {HTMLElement} screen
   * @returns {Promise<Machine>}
   */
  static async make(firmware, stack, { media, memory }, screen) {
    /** @type {any} */ let emulator;
    await inTime(new Promise((resolve, reject) => {
      emulator = new firmware.V86({
        wasm_fn: (/** @type {WebAssembly.Imports} */ imports) => instance(firmware.wasm, imports, reject),
        bios: { buffer: firmware.bios }, vga_bios: { buffer: firmware.vgaBios },
        memory_size: memory, vga_memory_size: vgaMemory, boot_order: bootOrders[media],
        [media === "cdrom" ? "cdrom" : "hda"]: stack.drive,
        screen: { container: screen },
        disable_speaker: true, autostart: false,
      });
      emulator.add_listener("emulator-loaded", resolve);
    })).catch((error) => {
      Promise.resolve(emulator?.destroy()).catch(() => {}); // of what there is of it
      throw error;
    });
    emulator.keyboard_set_enabled(false);
    emulator.mouse_set_enabled(false);
    return new Machine(emulator, stack.drive);
  }

  get running() { return this.#emulator.is_running(); }

  /** @param {string} event @param {(detail: any) => void} listener */
  listen(event, listener) {
    this.#emulator.add_listener(event, listener);
  }

  /** Runs, as soon as the disk answers. */
  run() {
    this.wanted = true;
    if (!this.#held) this.#emulator.run();
  }

  async pause() {
    this.wanted = false;
    await this.#emulator.stop();
  }

  /** Presses the reset button. */
  restart() {
    this.halted = false;
    this.#emulator.restart();
    this.run();
  }

  /** @param {string} text */
  type(text) {
    const bytes = new TextEncoder().encode(text);
    this.#emulator.serial_send_bytes(0, bytes);
  }

  /** @param {boolean} on */
  takeKeys(on) {
    if (!on) window.dispatchEvent(new Event("blur")); // V86 lets go of keys that are held
    this.#emulator.keyboard_set_enabled(on);
    this.#emulator.mouse_set_enabled(on);
  }

  /** @param {readonly number[]} codes */
  sendScancodes(codes) {
    this.#emulator.keyboard_send_scancodes(codes);
  }

  /**
   * It must have been paused, and stays so.
   * @param {AbortSignal} signal
   * @returns {Promise<ArrayBuffer>}
   */
  save(signal) {
    return saveState(this.#emulator, [this.#drive], { signal });
  }

  /** @param {ArrayBuffer} state */
  async restore(state) {
    await this.#emulator.restore_state(state);
    await this.#drive.quiesce();
  }

  /** Waits until nothing of the guest's is under way. It must have been paused. @param {AbortSignal} signal */
  async quiesce(signal) {
    await this.#drive.quiesce({ signal });
  }

  /** Ends the machine with its disk. */
  async end() {
    this.wanted = false;
    this.#emulator.stop();
    await this.#drive.close();
    await this.#emulator.destroy();
  }
}

/**
 * @param {WebAssembly.Module} module
 * @param {WebAssembly.Imports} imports
 * @param {(error: unknown) => void} fail V86 would tell nobody
 * @returns {Promise<WebAssembly.Exports>}
 */
async function instance(module, imports, fail) {
  try {
    return (await WebAssembly.instantiate(module, imports)).exports;
  } catch (error) {
    fail(new NbdError("WASM_LOAD", `The emulator could not be started (${error}). Close other tabs, or choose less memory.`, {}, { stage: "client", cause: error }));
    return new Promise(() => {});
  }
}

/** @template T @param {Promise<T>} loaded @returns {Promise<T>} */
function inTime(loaded) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new NbdError("TIMEOUT", "The emulator was not ready in a minute: there may be too little memory. Close other tabs, or choose less memory, and try again.", {}, { stage: "client" })), loadLimit);
    loaded.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
