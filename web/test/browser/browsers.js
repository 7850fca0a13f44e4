// Real browsers: Debian's Chromium and Firefox ESR, headless, profiles empty.
import { accessSync, constants } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { after, before, describe } from "node:test";
import puppeteer from "puppeteer-core";

const paths = {
  chromium: process.env.CHROMIUM ?? "/usr/bin/chromium",
  firefox: process.env.FIREFOX ?? "/usr/bin/firefox-esr",
};

const chromiumFlags = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync",
  "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1 , EXCLUDE localhost",
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

/** @param {BrowserName} name @param {string} userDataDir */
function launch(name, userDataDir) {
  const common = { executablePath: paths[name], headless: true, userDataDir, timeout: 120_000, protocolTimeout: 120_000 };
  return name === "chromium"
    ? puppeteer.launch({ ...common, args: chromiumFlags })
    : puppeteer.launch({ ...common, browser: "firefox", extraPrefsFirefox: firefoxPrefs });
}

// What the lab starts, with Debian's packages.
const foreign = { nbdkit: "nbdkit", "qemu-nbd": "qemu-utils", "nbd-server": "nbd-server", certtool: "gnutls-bin" };

/** @param {string} file */
function executable(file) {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** @param {BrowserName} name @returns {string | false} why a suite can't run; in CI that is an error */
function missing(name) {
  const folders = (process.env.PATH ?? "").split(delimiter);
  const packages = Object.entries(foreign).filter(([program]) => !folders.some((f) => executable(join(f, program)))).map(([, pkg]) => pkg);
  if (!executable(paths[name])) packages.push(name === "firefox" ? "firefox-esr" : name);
  if (packages.length === 0) return false;
  const why = `something is missing: apt-get install ${packages.join(" ")}`;
  if (process.env.CI) throw new Error(why);
  return why;
}

/**
 * Describes a suite once for each browser. `browser` is there from the first
 * test on; each of its pages collects what went wrong in it unnoticed.
 * @param {string} title
 * @param {(use: {name: BrowserName, page: (url: string) => Promise<import("puppeteer-core").Page>}) => void} suite
 */
export function inEachBrowser(title, suite) {
  for (const name of /** @type {BrowserName[]} */ (Object.keys(paths))) {
    describe(`${title} in ${name}`, { skip: missing(name) }, () => {
      /** @type {import("puppeteer-core").Browser} */
      let browser;
      let profile = "";
      before(async () => {
        profile = await mkdtemp(join(tmpdir(), `nbd-${name}-`));
        browser = await launch(name, profile);
      });
      after(async () => {
        await browser?.close();
        await rm(profile, { recursive: true, force: true, maxRetries: 5 });
      });
      suite({
        name,
        page: async (url) => {
          const page = await browser.newPage();
          await page.goto(url, { timeout: 60_000 });
          return page;
        },
      });
    });
  }
}
