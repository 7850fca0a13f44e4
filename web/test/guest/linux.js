// The Linux of test/images, and its shell.
import { access } from "node:fs/promises";
import { join } from "node:path";
import { run } from "../browser/processes.js";
import { missingForGrub } from "./grub.js";

const images = new URL("../../../test/images/", import.meta.url).pathname;
/** Debian's packages are downloaded once. */
const packages = new URL("../../../test/.packages/", import.meta.url).pathname;
/** What the shell says when it waits for its first command. */
export const ready = "The shell is ready.";
/** Bytes of memory that it needs. */
export const linuxMemory = 64 << 20;
/** How long a boot may take on a machine that has much to do, in milliseconds. */
const bootLimit = 180_000;

/** @returns {Promise<string[]>} packages that are missing */
export async function missingForLinux() {
  const found = await Promise.all(["/usr/bin/apt-get", "/usr/bin/cpio"].map((file) => access(file).then(() => true, () => false)));
  return [...await missingForGrub(), ...["apt", "cpio"].filter((_, i) => !found[i])];
}

/** @param {string} file to be made */
export async function buildLinuxDisk(file) {
  await run("bash", [join(images, "linux.sh"), file, packages]);
  return file;
}

/**
 * A serial port: in this process Guest has both methods, and for a page a test
 * brings them.
 * @typedef {object} Line
 * @property {(text: string, patience?: number) => Promise<string>} until waits for a text, and gives what came before it
 * @property {(line: string) => void | Promise<void>} type
 */

/** The shell at the other end of a serial port. */
export class Shell {
  #line;
  #commands = 0;

  /** @param {Line} line */
  constructor(line) {
    this.#line = line;
  }

  /** Waits until it is there. @param {number} [patience] milliseconds */
  async ready(patience = bootLimit) {
    await this.#line.until(ready, patience);
    await this.#line.until("# ");
  }

  /**
   * Runs a command. What marks its output is computed by the shell, since what
   * is typed comes back too.
   * @param {string} command
   * @param {number} [patience] milliseconds
   * @returns {Promise<{output: string, status: number}>}
   */
  async run(command, patience = 60_000) {
    const n = ++this.#commands;
    await this.#line.type(`echo "<$((${n})):"; ${command}; echo ">$((${n})):$?;"`);
    await this.#line.until(`<${n}:\r\n`, patience);
    const output = await this.#line.until(`>${n}:`, patience);
    return { output: output.replaceAll("\r\n", "\n"), status: Number(await this.#line.until(";", patience)) };
  }
}
