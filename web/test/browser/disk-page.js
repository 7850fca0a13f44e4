// Drives a page that looks into a disk, as its user does.
import assert from "node:assert/strict";
import { until } from "./browsers.js";

/** @typedef {import("puppeteer-core").Page} Page */

/** What a form needs to reach a server of the lab. @typedef {{serverName: string, ca: string, cert: string, key: string}} Trust */

export class DiskPage {
  /** What the page complained of. @type {string[]} */ complaints = [];

  /** @param {Page} page */
  constructor(page) {
    this.page = page;
    page.on("pageerror", (error) => this.complaints.push(String(error)));
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warn") this.complaints.push(message.text());
    });
  }

  /**
   * @param {(url: string) => Promise<Page>} openPage
   * @param {string} url
   */
  static async load(openPage, url) {
    const made = new DiskPage(await openPage("about:blank"));
    await made.page.setViewport({ width: 1280, height: 900 }).catch(() => {}); // Firefox 140 sets the size, and complains
    await made.page.goto(url);
    await made.shows("#status", /Not connected\./);
    return made;
  }

  /**
   * Connects with the form filled by hand; without trust there is no TLS.
   * @param {string} target
   * @param {Trust} [trust]
   */
  async connect(target, trust) {
    /** @type {Record<string, string>} */
    const fields = trust ? { "server-name": trust.serverName, ca: trust.ca, cert: trust.cert, key: trust.key } : { mode: "off" };
    await this.fill({ target, ...fields });
    await this.page.click("#open");
    await this.shows("#layout-status", /./);
  }

  /** @param {string} selector @param {RegExp} text */
  async shows(selector, text) {
    const matches = (/** @type {string} */ s, /** @type {string} */ source) => {
      const element = /** @type {HTMLElement | null} */ (document.querySelector(s));
      return Boolean(element?.checkVisibility()) && new RegExp(source).test(element?.innerText ?? "");
    };
    await until(this.page, matches, selector, text.source).catch(async () => {
      const found = await this.text(selector);
      const alert = await this.page.evaluate(() => document.getElementById("alert")?.innerText);
      assert.fail(`${selector} does not show ${text}, but: ${found}. Alert: ${alert}. Console: ${this.complaints.join("; ")}`);
    });
  }

  /** @param {string} selector @returns {Promise<string | undefined>} what it shows */
  text(selector) {
    return this.page.evaluate((s) => /** @type {HTMLElement | null} */ (document.querySelector(s))?.innerText, selector);
  }

  /** @param {Record<string, string>} values of fields by their ids, as pasted */
  fill(values) {
    return this.page.evaluate((fields) => {
      for (const [id, value] of Object.entries(fields)) {
        const field = /** @type {HTMLInputElement} */ (document.getElementById(id));
        field.value = value;
        for (const type of ["input", "change"]) field.dispatchEvent(new Event(type, { bubbles: true }));
      }
    }, values);
  }

  /** Sets check boxes. @param {Record<string, boolean>} values by their ids */
  check(values) {
    return this.page.evaluate((boxes) => {
      for (const [id, on] of Object.entries(boxes)) {
        const box = /** @type {HTMLInputElement} */ (document.getElementById(id));
        if (box.checked !== on) box.click();
      }
    }, values);
  }

  isQuiet() {
    assert.deepEqual(this.complaints, []);
  }
}

/** Runs in a page: what it saves goes to the browser's own storage. */
export function fakeDialog() {
  Object.assign(globalThis, {
    async showSaveFilePicker(/** @type {any} */ { suggestedName }) {
      return (await navigator.storage.getDirectory()).getFileHandle(suggestedName, { create: true });
    },
  });
}
