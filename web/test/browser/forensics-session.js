// A whole session of the page of evidence: everything that an examiner does, one
// after the other, on a disk of makeVolume().
import { until } from "./browsers.js";
import { fakeDialog } from "./disk-page.js";

/** @typedef {import("./disk-page.js").DiskPage} DiskPage */

/**
 * @param {DiskPage} it its page, not yet connected
 * @param {string} target
 * @param {import("./disk-page.js").Trust} [trust] none: without TLS
 */
export async function wholeSession(it, target, trust) {
  await it.page.evaluate(fakeDialog);
  await it.connect(target, trust);
  for (const part of [overview, files, bytes, search, hashes, acquisition]) await part(it);
  await it.page.click("#disconnect");
  await it.shows("#status", /^Not connected\.$/);
}

/** @param {DiskPage} it */
async function overview(it) {
  await it.shows("#map-summary", /^Data /);
  await it.page.click("#map-start");
  await until(it.page, () => !(/** @type {HTMLButtonElement} */ (document.getElementById("map-start")).disabled));
  await it.shows("#parts-body", /ext4/);
}

/** @param {DiskPage} it */
async function files(it) {
  await it.page.click('#parts-body button[aria-label^="Browse: Partition 1"]');
  await choose(it, "random.bin");
  await it.shows("#files .files-side", /\/random\.bin/); // details
  await it.shows("#files .files-side table, #files .files-side pre", /./); // and the preview
  await it.page.click("#file-save");
  await until(it.page, async () => {
    const file = await (await navigator.storage.getDirectory()).getFileHandle("random.bin").then((handle) => handle.getFile(), () => undefined);
    return (file?.size ?? 0) > 3 << 20;
  });
  await it.page.$$eval("#files button", (buttons) => buttons.find((b) => b.textContent === "Hash this file")?.click());
  await it.shows("#hash-range", /^3.145.805 bytes/);
  await hashed(it);
}

/** Chooses a file of the folder that is in sight. @param {DiskPage} it @param {string} name */
export function choose(it, name) {
  return until(it.page, (wanted) => {
    const row = [...document.querySelectorAll(".files-row")].find((r) => r.checkVisibility() && r.querySelector(".name")?.textContent === wanted);
    /** @type {HTMLElement | undefined} */ (row)?.click();
    return Boolean(row);
  }, name);
}

/** @param {DiskPage} it */
async function bytes(it) {
  await it.page.click("#tab-bytes");
  for (const position of ["0", "1M", "2M"]) {
    await it.fill({ position });
    await it.page.focus("#position");
    await it.page.keyboard.press("Enter");
  }
  await it.shows("#hex-where", /Byte 2.097.152/);
  await it.page.click("#save-selection");
  await it.shows("#hex-status", /saved/);
}

/** @param {DiskPage} it */
async function search(it) {
  await it.page.click("#tab-search");
  await it.fill({ keywords: "the needle\nhex: 55 aa\nno such word" });
  await it.check({ "ignore-case": true, "skip-holes": false });
  await it.page.click("#search-start");
  await it.shows("#search-status", /The search is done: \d+ hits/);
}

/** @param {DiskPage} it */
async function hashes(it) {
  await it.page.click("#tab-hash");
  await it.page.$eval("#hash-what", (select) => { /** @type {HTMLSelectElement} */ (select).selectedIndex = 0; });
  await hashed(it);
  await it.page.click("#hash-results .run button");
  await it.shows("#hash-verdict", /Equal to the first reading/);
}

/** @param {DiskPage} it */
async function hashed(it) {
  await it.page.click("#hash-start");
  await it.shows("#hash-status", /is hashed\.$/);
}

/**
 * An acquisition with everything that reads: the disk, the image, the disk again.
 * @param {DiskPage} it
 */
export async function acquisition(it) {
  await it.page.click("#tab-acquire");
  await it.page.$$eval("#acquire-passes input", (boxes) => boxes.forEach((box) => box.click()));
  await it.check({ "acquire-zstd": true });
  await it.page.click("#acquire-start");
  await it.shows("#acquisition-status", /^Complete/);
  await it.shows("#result-body", /the same\s+the same/);
}
