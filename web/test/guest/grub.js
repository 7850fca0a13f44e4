// The disks of test/images, and V86 with them.
import { access, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { run } from "../browser/processes.js";

const images = new URL("../../../test/images/", import.meta.url).pathname;
const seabios = "/usr/share/seabios";
export const bios = { bios: join(seabios, "bios.bin"), vga_bios: join(seabios, "vgabios-stdvga.bin") };
/** What GRUB prints: of its disk, and of its CD-ROM. */
export const greeting = "Hello from a disk far away.", greetingOfCd = "Hello from a CD-ROM far away.";

/** What the disk is made of, with Debian's packages. */
const needed = { "/usr/bin/grub-mkimage": "grub-common", "/usr/lib/grub/i386-pc/boot.img": "grub-pc-bin", [bios.bios]: "seabios" };

/** @returns {Promise<string[]>} packages that are missing */
export async function missingForGrub() {
  const found = await Promise.all(Object.keys(needed).map((file) => access(file).then(() => true, () => false)));
  return Object.values(needed).filter((_, i) => !found[i]);
}

/** @param {string} file to be made */
export async function buildGrubDisk(file) {
  await run("bash", [join(images, "grub.sh"), file]);
  return file;
}

/** @param {string} file to be made */
export async function buildGrubCd(file) {
  await run("bash", [join(images, "grub-cd.sh"), file]);
  return file;
}

/** The WebAssembly of a version of V86. @param {string} name of the package */
export function wasmOf(name) {
  return join(dirname(createRequire(import.meta.url).resolve(name)), "v86.wasm");
}

/** @param {string} file */
async function image(file) {
  const { buffer, byteOffset, byteLength } = await readFile(file);
  return { buffer: /** @type {ArrayBuffer} */ (buffer.slice(byteOffset, byteOffset + byteLength)) };
}

/** A V86 in this process, and what it says on its serial port. */
export class Guest {
  /** What it said. */ said = "";
  #heard = () => {};

  /** @param {import("v86").V86} emulator */
  constructor(emulator) {
    this.emulator = emulator;
    emulator.add_listener("serial0-output-byte", (byte) => {
      this.said += String.fromCharCode(byte);
      this.#heard();
    });
  }

  /**
   * @param {string} version name of the package of V86
   * @param {Partial<import("v86").V86Options>} options
   */
  static async start(version, options) {
    const { V86 } = /** @type {typeof import("v86")} */ (await import(version));
    return new Guest(new V86({
      wasm_path: wasmOf(version), memory_size: 32 << 20, vga_memory_size: 2 << 20, disable_speaker: true,
      bios: await image(bios.bios), vga_bios: await image(bios.vga_bios), autostart: true, ...options,
    }));
  }

  /**
   * Waits until it has said something since the last time.
   * @param {string} text
   * @param {number} [patience] in milliseconds
   * @returns {Promise<string>} what it said before that
   */
  async until(text, patience = 30_000) {
    const deadline = setTimeout(() => {
      throw new Error(`the guest does not say "${text}" but: ${this.said}`);
    }, patience);
    while (!this.said.includes(text)) await new Promise((resolve) => { this.#heard = () => resolve(undefined); });
    clearTimeout(deadline);
    const before = this.said.slice(0, this.said.indexOf(text));
    this.said = this.said.slice(before.length + text.length);
    return before;
  }

  /** @param {string} line */
  type(line) {
    this.emulator.serial0_send(`${line}\r`);
  }
}
