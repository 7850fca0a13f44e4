// Child processes of a test: started, waited for, ended by pid.
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import net from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";

// Where Debian keeps daemons, which are not on everybody's path.
process.env.PATH += ":/usr/sbin";

export const run = promisify(execFile);
export const bridgeBinary = new URL("../../../bin/bridge", import.meta.url).pathname;

/** @returns {Promise<number>} a TCP port that is free now */
export async function freePort() {
  const server = net.createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = /** @type {net.AddressInfo} */ (server.address());
  server.close();
  await once(server, "close");
  return port;
}

/**
 * Runs programs for one suite; stopAll ends them all.
 */
export class Processes {
  /** @type {{child: import("node:child_process").ChildProcess, output: string[]}[]} */
  #running = [];
  /** @type {number[]} process groups */
  #daemons = [];

  /**
   * Starts a program and waits until it accepts connections.
   * @param {net.NetConnectOpts} at
   * @param {string} program
   * @param {string[]} args
   */
  async start(at, program, ...args) {
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
    const entry = { child, output: /** @type {string[]} */ ([]) };
    this.#running.push(entry);
    child.on("error", (error) => entry.output.push(String(error))); // it can't be started
    for (const stream of [child.stdout, child.stderr]) stream?.on("data", (b) => entry.output.push(String(b)));
    await this.#untilAnswers(at, () => ended(child), () => `${program} ${args.join(" ")} does not answer: ${entry.output.join("")}`);
    return {
      child, output: () => entry.output.join(""), kill: () => kill(child),
      /** Starts it once more, after its end. */ again: () => this.start(at, program, ...args),
    };
  }

  /**
   * Starts a program that puts itself in the background, in a process group of
   * its own, and writes its pid to a file.
   * @param {net.NetConnectOpts} at
   * @param {string} pidFile
   * @param {string} program
   * @param {string[]} args
   */
  async startDaemon(at, pidFile, program, ...args) {
    await run(program, args);
    await this.#untilAnswers(at, () => false, () => `${program} ${args.join(" ")} does not answer`);
    this.#daemons.push(Number(await readFile(pidFile, "utf8")));
  }

  /**
   * @param {net.NetConnectOpts} at
   * @param {() => boolean} inVain
   * @param {() => string} complaint
   */
  async #untilAnswers(at, inVain, complaint) {
    const deadline = Date.now() + 20_000;
    while (!(await answers(at))) {
      if (inVain() || Date.now() > deadline) throw new Error(complaint());
      await delay(30);
    }
  }

  async stopAll() {
    for (const pid of this.#daemons.splice(0)) process.kill(-pid, "SIGKILL");
    await Promise.all(this.#running.splice(0).map(({ child }) => kill(child)));
  }
}

/**
 * Tells whether a child runs no longer, or never did.
 * @param {import("node:child_process").ChildProcess} child
 */
function ended(child) {
  return child.pid === undefined || child.exitCode !== null || child.signalCode !== null;
}

/** @param {import("node:child_process").ChildProcess} child */
async function kill(child) {
  if (ended(child)) return;
  const exit = once(child, "exit");
  child.kill("SIGKILL");
  await exit;
}

/** @param {net.NetConnectOpts} at */
function answers(at) {
  return new Promise((resolve) => {
    const socket = net.connect(at);
    socket.on("connect", () => { socket.destroy(); resolve(true); });
    socket.on("error", () => resolve(false));
  });
}
