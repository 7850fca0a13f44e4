// Real browsers: Debian's Chromium, Firefox ESR and WebKitGTK, unseen, profiles empty.
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe } from "node:test";
import puppeteer from "puppeteer-core";
import { executable, missingPackages } from "./needs.js";
import { run } from "./processes.js";
import { WebKit } from "./webkit.js";

const paths = {
  chromium: process.env.CHROMIUM ?? "/usr/bin/chromium",
  firefox: process.env.FIREFOX ?? "/usr/bin/firefox-esr",
  webkit: process.env.WEBKIT_DRIVER ?? "/usr/bin/WebKitWebDriver",
};

/** Debian's packages that bring the browsers. */
const packagesOf = { chromium: ["chromium"], firefox: ["firefox-esr"], webkit: ["webkit2gtk-driver", "xvfb"] };

const chromiumFlags = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync",
];

// Firefox asks for many things at its start, which are none of the tests'
// business; what still does finds no name.
const firefoxPrefs = {
  "network.dns.disabled": true,
  "app.update.enabled": false, "app.normandy.enabled": false, "browser.safebrowsing.downloads.enabled": false,
  "browser.safebrowsing.malware.enabled": false, "browser.safebrowsing.phishing.enabled": false,
  "browser.region.network.url": "", "browser.newtabpage.enabled": false, "datareporting.policy.dataSubmissionEnabled": false,
  "extensions.systemAddon.update.enabled": false, "network.captive-portal-service.enabled": false,
  "network.connectivity-service.enabled": false, "services.settings.server": "data:,", "toolkit.telemetry.enabled": false,
};

/** @typedef {keyof typeof paths} BrowserName */

/**
 * What a browser knows beyond its defaults.
 * @typedef {object} World
 * @property {string[]} [names] that resolve to this machine
 * @property {() => Promise<string>} [authority] the file of a CA to trust
 * @property {boolean} [webkit] true for suites whose pages do no more than
 *   evaluate and close: they run in WebKit too
 */

/** @typedef {{page: (url: string) => Promise<import("puppeteer-core").Page>, close: () => Promise<void>}} Launched */

/** @param {BrowserName} name @param {string} profile @param {World} world @returns {Promise<Launched>} */
async function launch(name, profile, world) {
  if (name === "webkit") return /** @type {any} */ (WebKit.launch(paths.webkit, profile));
  const browser = await puppet(name, profile, world);
  const page = async (/** @type {string} */ url) => {
    const page = await browser.newPage();
    await page.goto(url, { timeout: 60_000 });
    return page;
  };
  return { page, close: () => browser.close() };
}

/** @param {"chromium" | "firefox"} name @param {string} profile @param {World} world */
async function puppet(name, profile, { names = [], authority }) {
  const common = { executablePath: paths[name], headless: true, userDataDir: profile, timeout: 120_000, protocolTimeout: 300_000 };
  if (name === "firefox") {
    if (authority) await trust(profile, await authority());
    const extraPrefsFirefox = { ...firefoxPrefs, "network.dns.localDomains": names.join(",") };
    return puppeteer.launch({ ...common, browser: "firefox", extraPrefsFirefox });
  }
  if (authority) await trust(join(profile, ".pki", "nssdb"), await authority());
  const rules = [...names.map((n) => `MAP ${n} 127.0.0.1`), "MAP * ~NOTFOUND", "EXCLUDE 127.0.0.1", "EXCLUDE localhost"];
  // Chromium looks for authorities in the home folder, whatever the profile.
  return puppeteer.launch({ ...common, env: { ...process.env, HOME: profile }, args: [...chromiumFlags, `--host-resolver-rules=${rules.join(" , ")}`] });
}

/**
 * Adds an authority to a database of certificates, which need not exist.
 * @param {string} folder @param {string} file
 */
async function trust(folder, file) {
  await mkdir(folder, { recursive: true });
  await run("certutil", ["-d", `sql:${folder}`, "-N", "--empty-password"]);
  await run("certutil", ["-d", `sql:${folder}`, "-A", "-t", "C,,", "-n", "lab", "-i", file]);
}

/** @param {BrowserName} name @returns {string | false} why a suite can't run; in CI that is an error */
function missing(name) {
  return missingPackages(executable(paths[name]) ? [] : packagesOf[name]);
}

/**
 * Waits until a condition holds in the page. It asks again and again from
 * here: puppeteer's own waiting evaluates text, which the content security
 * policy of our pages forbids in Firefox.
 * @param {import("puppeteer-core").Page} page
 * @param {(...args: any[]) => unknown} condition
 * @param {any[]} args
 */
export async function until(page, condition, ...args) {
  for (const deadline = Date.now() + 30_000; !(await page.evaluate(condition, ...args)); ) {
    if (Date.now() > deadline) throw new Error(`not in 30 s: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

/**
 * Describes a suite once for each browser. `browser` is there from the first
 * test on; each of its pages collects what went wrong in it unnoticed.
 * @param {string} title
 * @param {(use: {name: BrowserName, page: (url: string) => Promise<import("puppeteer-core").Page>}) => void} suite
 * @param {World} world
 */
export function inEachBrowser(title, suite, world = {}) {
  for (const name of /** @type {BrowserName[]} */ (Object.keys(paths))) {
    if (name === "webkit" && !world.webkit) continue;
    describe(`${title} in ${name}`, { skip: missing(name) }, () => {
      /** @type {Launched} */
      let browser;
      let profile = "";
      before(async () => {
        profile = await mkdtemp(join(tmpdir(), `nbd-${name}-`));
        browser = await launch(name, profile, world);
      });
      after(async () => {
        await browser?.close();
        await rm(profile, { recursive: true, force: true, maxRetries: 5 });
      });
      suite({ name, page: (url) => browser.page(url) });
    });
  }
}
