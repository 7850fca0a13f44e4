// The serial console of the machine's page, for Shell.
import { say } from "./vm-page.js";

/** @typedef {import("puppeteer-core").Page} Page */

/** The page's serial console, whose lines end as a terminal's do. */
export class Console {
  #page;
  #at = 0;

  /** @param {Page} page */
  constructor(page) {
    this.#page = page;
  }

  /** @param {string} text @param {number} [patience] milliseconds */
  async until(text, patience = 30_000) {
    for (const deadline = Date.now() + patience; ;) {
      const said = (await this.#page.$eval("#serial-log", (log) => log.textContent ?? "")).replaceAll("\n", "\r\n");
      const found = said.indexOf(text, this.#at);
      if (found >= 0) {
        const before = said.slice(this.#at, found);
        this.#at = found + text.length;
        return before;
      }
      if (Date.now() > deadline) throw new Error(`the machine does not say "${text}" but: ${said}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** @param {string} line */
  type(line) {
    return say(this.#page, line);
  }
}
