// Pictures of pages, for people to look at.
import { mkdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";

const folder = fileURLToPath(new URL("../artifacts/", import.meta.url));

/**
 * Takes a picture of a page as it is now, into web/test/artifacts/NAME.png.
 * @param {import("puppeteer-core").Page} page
 * @param {string} name such as "launcher-open"; a suite that runs in several
 *   browsers adds theirs
 * @param {{whole?: boolean}} [part] whole: also what must be scrolled to
 */
export async function shot(page, name, { whole = true } = {}) {
  await mkdir(folder, { recursive: true });
  await page.screenshot({ path: `${folder}${name}.png`, fullPage: whole });
}

/**
 * How people see pages: each is a screen and a colour scheme.
 * @type {Record<string, {width: number, height: number, scheme: "light" | "dark"}>}
 */
export const screens = {
  light: { width: 1280, height: 900, scheme: "light" },
  dark: { width: 1280, height: 900, scheme: "dark" },
  narrow: { width: 320, height: 640, scheme: "light" },
};

/**
 * Takes a picture on every screen, and then leaves the page as on the first.
 * Only Chromium can be told a colour scheme: elsewhere there is one picture.
 * @param {import("puppeteer-core").Page} page
 * @param {string} name
 * @param {{whole?: boolean}} [part]
 */
export async function shots(page, name, part) {
  if (!(await page.browser().version()).startsWith("Chrome")) return shot(page, name, part);
  for (const screen of Object.keys(screens)) {
    await show(page, screen);
    await shot(page, `${name}-${screen}`, part);
  }
  await show(page, "light");
}

/** @param {import("puppeteer-core").Page} page @param {string} screen */
async function show(page, screen) {
  const { width, height, scheme } = screens[screen];
  await page.setViewport({ width, height });
  // Colours that are still on their way would be pictured so.
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }, { name: "prefers-reduced-motion", value: "reduce" }]);
}
