// The forensics page as tests of acquisitions use it: what they fill in, wait
// for, and save.
import assert from "node:assert/strict";
import { mkdtempSync } from "node:fs";
import { readFile, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "./browsers.js";

/** Where Firefox puts files; Chromium is told of the same. */
export const downloads = mkdtempSync(join(tmpdir(), "nbd-acquired-"));
export const removeDownloads = () => rm(downloads, { recursive: true, force: true });
export const prefs = {
  "browser.download.folderList": 2, "browser.download.dir": downloads, "browser.download.useDownloadDir": true,
  "browser.helperApps.neverAsk.saveToDisk": "application/octet-stream", "browser.download.alwaysOpenPanel": false,
  "browser.download.always_ask_before_handling_new_types": false,
};

/** A tab with the page. */
export class AcquirePage {
  /** What the page complained of. @type {string[]} */ complaints = [];

  /** @param {import("puppeteer-core").Page} page */
  constructor(page) {
    this.page = page;
  }

  /**
   * @param {(url: string) => Promise<import("puppeteer-core").Page>} openPage
   * @param {string} url of the demo
   * @param {{picker?: boolean}} [how] picker: a dialog that gives a file of the browser's own storage; else none
   */
  static async open(openPage, url, { picker = false } = {}) {
    const page = await openPage("about:blank");
    const made = new AcquirePage(page);
    page.on("pageerror", (error) => made.complaints.push(String(error)));
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warn") made.complaints.push(message.text());
    });
    await page.setViewport({ width: 1280, height: 900 }).catch(() => {}); // Firefox 140 sets the size, and complains
    await page.evaluateOnNewDocument(picker ? givePicker : () => { Reflect.deleteProperty(globalThis, "showSaveFilePicker"); });
    await page.goto(`${url}forensics/`);
    await made.shows("#status", /Not connected\./);
    return made;
  }

  /**
   * @param {string} target
   * @param {{serverName: string, ca: string, cert: string, key: string}} [pki] none: without TLS
   */
  async connect(target, pki) {
    await this.page.evaluate(() => { /** @type {HTMLDetailsElement} */ (document.getElementById("connect-box")).open = true; });
    /** @type {Record<string, string>} */
    const fields = pki ? { "server-name": pki.serverName, ca: pki.ca, cert: pki.cert, key: pki.key } : { mode: "off" };
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
      const [found, alert, note] = await this.page.evaluate((s) => [s, "#alert", "#acquisition"].map((x) => /** @type {HTMLElement | null} */ (document.querySelector(x))?.innerText), selector);
      assert.fail(`${selector} does not show ${text}, but: ${found}. Alert: ${alert}. Acquisition: ${note}. Console: ${this.complaints.join("; ")}`);
    });
  }

  /** @param {string} selector */
  text(selector) {
    return this.page.$eval(selector, (e) => /** @type {HTMLElement} */ (e).innerText);
  }

  /** @param {Record<string, string | boolean>} values of fields, by id */
  fill(values) {
    return this.page.evaluate((fields) => {
      for (const [id, value] of Object.entries(fields)) {
        const field = /** @type {HTMLInputElement} */ (document.getElementById(id));
        if (typeof value === "boolean") field.checked = value;
        else field.value = value;
        for (const type of ["input", "change"]) field.dispatchEvent(new Event(type, { bubbles: true }));
      }
    }, values);
  }

  /** Begins, with the form filled in so. @param {Record<string, string | boolean>} values @param {string[]} hashes */
  async acquire(values, hashes = ["sha256"]) {
    await this.page.click("#tab-acquire");
    await this.page.evaluate((names) => {
      for (const box of /** @type {NodeListOf<HTMLInputElement>} */ (document.querySelectorAll("#acquire-hashes input"))) box.checked = names.includes(box.value);
    }, hashes);
    await this.fill(values);
    await this.page.click("#acquire-start");
  }

  complete() {
    return this.shows("#acquisition-status", /^Complete/);
  }

  /** Waits until so many bytes are acquired. @param {number} bytes */
  async has(bytes) {
    await until(this.page, (wanted) => /** @type {HTMLProgressElement} */ (document.getElementById("acquisition-bar")).value >= wanted, bytes);
  }

  /** Clicks, and answers the question that follows. @param {string} selector */
  async clickAndAgree(selector) {
    await this.page.click(selector);
    await until(this.page, () => document.querySelector("dialog[open]") !== null);
    await this.page.click("dialog .actions button:last-child");
  }

  /**
   * Saves by a button; fulfils with the file, once it is whole.
   * @param {string} button @param {string} name
   */
  async save(button, name) {
    const file = join(downloads, name);
    await rm(file, { force: true }); // of another browser
    await this.#allowDownloads();
    await this.page.click(button);
    await this.shows("#result-status, #key-status", /saved/);
    for (const deadline = Date.now() + 20_000; !await isThere(file);) {
      assert.ok(Date.now() < deadline, `no ${name} in 20 s: ${await readdir(downloads)}`);
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
    return file;
  }

  /** Of Chromium: it forgets the folder when the tab ends that said it. */
  async #allowDownloads() {
    if (!(await this.page.browser().version()).startsWith("Chrome")) return;
    const session = await this.page.createCDPSession();
    await session.send("Browser.setDownloadBehavior", { behavior: "allow", downloadPath: downloads, eventsEnabled: false });
  }

  /** The log as it is saved. @param {string} name of the image */
  async log(name) {
    return JSON.parse(await readFile(await this.save("#save-log", `${name}.log.json`), "utf8"));
  }

  /** Discards the one that is in sight, and closes the tab. @param {string} name */
  async discard(name) {
    await this.clickAndAgree("#acquisition-discard");
    const isGone = (/** @type {string} */ kept) => Boolean(document.getElementById("acquisition")?.hidden) && !document.getElementById("kept-rows")?.innerText.includes(kept);
    await until(this.page, isGone, name).catch(async () => assert.fail(`${name} is not gone: ${await this.text("#kept")} Alert: ${await this.text("#alert")}`));
    await this.page.close();
  }

  quiet() {
    assert.deepEqual(this.complaints, []);
  }
}

/** A download is there when its temporary form is not. @param {string} file */
async function isThere(file) {
  const names = await readdir(downloads);
  const under = names.some((name) => /\.(part|crdownload)$/.test(name));
  return !under && await stat(file).then(({ size }) => size > 0, () => false);
}

/** Runs in the page, before its own scripts. */
function givePicker() {
  Object.assign(globalThis, {
    async showSaveFilePicker(/** @type {any} */ { suggestedName }) {
      return (await navigator.storage.getDirectory()).getFileHandle(suggestedName, { create: true });
    },
  });
}
