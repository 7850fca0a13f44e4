// WebKitGTK, driven by the W3C's WebDriver protocol over plain HTTP: Debian's
// WebKitWebDriver with its MiniBrowser, on a virtual screen. Its pages have the
// two methods of puppeteer's that most suites get by with.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { Processes, freePort } from "./processes.js";

// WebKit's sandbox wants namespaces that root in a container lacks, and there
// is no graphics card behind the screen.
const environment = {
  WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS: "1", WEBKIT_DISABLE_COMPOSITING_MODE: "1", WEBKIT_DISABLE_DMABUF_RENDERER: "1",
  LIBGL_ALWAYS_SOFTWARE: "1", GDK_BACKEND: "x11", GSETTINGS_BACKEND: "memory",
};

/** One browser; each page is a window. */
export class WebKit {
  #processes = new Processes();
  /** @type {import("node:child_process").ChildProcess | undefined} */ #screen;
  #profile;
  #session = "";
  /** A window that stays: with the last one the session would end. */ #first = "";
  /** The last command; each waits for the one before. @type {Promise<unknown>} */ #turn = Promise.resolve();

  /** @param {string} profile an empty folder */
  constructor(profile) {
    this.#profile = profile;
  }

  /** @param {string} driver the program WebKitWebDriver @param {string} profile */
  static async launch(driver, profile) {
    const webkit = new WebKit(profile);
    try {
      await webkit.#start(driver);
      return webkit;
    } catch (error) {
      await webkit.close();
      throw error;
    }
  }

  /** @param {string} driver */
  async #start(driver) {
    const variables = { ...environment, HOME: this.#profile, XDG_RUNTIME_DIR: this.#profile, DISPLAY: await this.#startScreen() };
    const port = await freePort();
    await this.#processes.start({ port, host: "127.0.0.1" }, "env", ...Object.entries(variables).map(([name, value]) => `${name}=${value}`),
      driver, `--port=${port}`, "--host=127.0.0.1");
    const server = `http://127.0.0.1:${port}`;
    const { sessionId } = await ask("POST", `${server}/session`, { capabilities: {} });
    this.#session = `${server}/session/${sessionId}`;
    this.#first = await ask("GET", `${this.#session}/window`);
  }

  /** @returns {Promise<string>} its name: the X server takes a free one */
  async #startScreen() {
    this.#screen = spawn("Xvfb", ["-displayfd", "1", "-screen", "0", "800x600x24", "-nolisten", "tcp"], { stdio: ["ignore", "pipe", "ignore"] });
    const name = once(/** @type {import("node:stream").Readable} */ (this.#screen.stdout), "data");
    const end = once(this.#screen, "exit").then(([code]) => { throw new Error(`Xvfb ended with ${code}`); });
    return `:${String((await Promise.race([name, end]))[0]).trim()}`;
  }

  /** @param {string} url */
  async page(url) {
    const { handle } = await this.in(this.#first, "POST", "window/new", { type: "window" });
    await this.in(handle, "POST", "url", { url });
    return new Page(this, handle);
  }

  /**
   * Sends a command to a window. The protocol has a current window, so the
   * two requests that this takes must not mix with others.
   * @param {string} handle @param {string} method @param {string} command @param {object} [body]
   * @returns {Promise<any>}
   */
  in(handle, method, command, body) {
    const send = async () => {
      await ask("POST", `${this.#session}/window`, { handle });
      return ask(method, `${this.#session}/${command}`, body);
    };
    const answer = this.#turn.then(send);
    this.#turn = answer.catch(() => {}); // told to whoever sent it
    return answer;
  }

  async close() {
    if (this.#session) await ask("DELETE", this.#session).catch(() => {}); // the browser may have died
    await this.#processes.stopAll();
    this.#screen?.kill("SIGKILL");
  }
}

class Page {
  #webkit;
  #handle;
  #jobs = 0;

  /** @param {WebKit} webkit @param {string} handle */
  constructor(webkit, handle) {
    this.#webkit = webkit;
    this.#handle = handle;
  }

  /**
   * Runs a function in the page and waits for what it promises. It is begun
   * with one command and then asked for, because a command that waits would
   * keep all others waiting.
   * @param {(...args: any[]) => unknown} fn @param {any[]} args
   * @returns {Promise<any>}
   */
  async evaluate(fn, ...args) {
    const job = `webdriverJob${++this.#jobs}`;
    await this.#run(`(async () => (${fn})(...arguments))().then(
      (value) => { window.${job} = { value }; },
      (error) => { window.${job} = { error: error + "\\n" + error?.stack }; })`, args);
    for (let wait = 1; ; wait = Math.min(wait * 2, 50)) {
      const outcome = await this.#run(`const outcome = window.${job} ?? null; delete window.${job}; return outcome;`);
      if (outcome?.error) throw new Error(outcome.error);
      if (outcome) return outcome.value ?? undefined;
      await delay(wait);
    }
  }

  /** @param {string} script @param {any[]} [args] */
  #run(script, args = []) {
    return this.#webkit.in(this.#handle, "POST", "execute/sync", { script, args });
  }

  async close() {
    await this.#webkit.in(this.#handle, "DELETE", "window");
  }
}

/**
 * @param {string} method @param {string} url @param {object} [body]
 * @returns {Promise<any>}
 */
async function ask(method, url, body) {
  const response = await fetch(url, { method, body: body && JSON.stringify(body) });
  const { value } = /** @type {any} */ (await response.json());
  if (!response.ok) throw new Error(`WebKit: ${value?.error}: ${value?.message}`);
  return value;
}
