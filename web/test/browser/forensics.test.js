// The page of evidence, over disks of nbdkit with TLS through a bridge: what it
// says of writes, and its hashes beside those of other programs.
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { makeVolume, missingForVolume, partition } from "../volume.js";
import { inEachBrowser, until } from "./browsers.js";
import { DiskPage, fakeDialog } from "./disk-page.js";
import { choose } from "./forensics-session.js";
import { serveWithBadSector } from "./inspect-disk.js";
import { Lab, pattern } from "./lab.js";
import { longestTask } from "./maintasks.js";
import { missingPackages } from "./needs.js";
import { run } from "./processes.js";
import { shots } from "./shots.js";

const programs = { md5: "md5sum", sha1: "sha1sum", sha256: "sha256sum", sha512: "sha512sum" };
const MiB = 1 << 20;

/** Runs in the page: chooses a file of keywords. */
function chooseKeywords(/** @type {string} */ text) {
  const field = /** @type {HTMLInputElement} */ (document.getElementById("keywords-file"));
  const transfer = new DataTransfer();
  transfer.items.add(new File([text], "keywords.txt", { type: "text/plain" }));
  field.files = transfer.files;
  field.dispatchEvent(new Event("change"));
}

/** Runs in the page: what was saved under a name. */
async function savedText(/** @type {string} */ name) {
  const file = await (await navigator.storage.getDirectory()).getFileHandle(name).then((handle) => handle.getFile(), () => undefined);
  return file?.text() ?? "";
}

/** Runs in the page: whether it was; the text itself would be a long task of the test's. */
async function isSaved(/** @type {string} */ name) {
  const file = await (await navigator.storage.getDirectory()).getFileHandle(name).then((handle) => handle.getFile(), () => undefined);
  return (file?.size ?? 0) > 0;
}

/**
 * Where a keyword stands in a disk, by the page's own definition: letters A to Z
 * in both cases, and every encoding.
 * @param {Buffer} disk
 * @param {Record<string, Buffer>} forms by encoding
 * @param {string} keyword
 */
function places(disk, forms, keyword) {
  const folded = Buffer.from(disk.map((b) => b >= 0x41 && b <= 0x5a ? b | 0x20 : b));
  const found = [];
  for (const [encoding, form] of Object.entries(forms)) {
    for (let at = folded.indexOf(form); at >= 0; at = folded.indexOf(form, at + 1)) found.push({ offset: at, keyword, encoding });
  }
  return found;
}

inEachBrowser("the page of evidence", ({ page: openPage, name: browser }) => {
  const skip = missingPackages(missingForVolume());
  /** @type {Lab} */ let lab;
  /** @type {Awaited<ReturnType<Lab["pki"]>>} */ let pki;
  /** @type {string} */ let url;
  /** @type {DiskPage} */ let it;
  /** @type {Awaited<ReturnType<typeof makeVolume>>} */ let made;
  /** A server of a copy, slow enough to be ended in between. @type {Awaited<ReturnType<Lab["nbdkit"]>>} */ let slow;

  before(async () => {
    if (skip) return;
    lab = await Lab.create();
    pki = await lab.pki("pki");
    made = await makeVolume(lab.dir);
    const plain = await lab.disk("plain.img", pattern(0, 4 * MiB + 100));
    const [writable, readOnly, bad] = await Promise.all([lab.nbdkit(made.file, pki), lab.nbdkit(made.file, pki, "--readonly"), serveWithBadSector(lab, plain, 5000, pki)]);
    await run("cp", ["--sparse=always", made.file, join(lab.dir, "slow.img")]);
    slow = await lab.nbdkit(join(lab.dir, "slow.img"), pki, "--filter=rate", "rate=6M");
    const bridge = await lab.bridge({ slow: slow.target, writable: writable.target, readOnly: readOnly.target, bad: bad.target });
    url = `${bridge.page}forensics/`;
  });
  after(() => lab?.close());

  /** @param {string} target */
  async function open(target) {
    it = await DiskPage.load(openPage, url);
    await it.connect(target, pki);
  }

  /**
   * The sums of bytes by foreign programs.
   * @param {Buffer} bytes
   */
  async function sumsOf(bytes) {
    const file = join(lab.dir, "stretch");
    await writeFile(file, bytes);
    const lines = await Promise.all(Object.entries(programs).map(async ([name, program]) => [name, (await run(program, [file])).stdout.split(" ")[0]]));
    return Object.fromEntries(lines);
  }

  test("it says what the server says of writes, and who can't keep them away", { skip }, async () => {
    await open("writable");
    await it.shows("#server-flag", /^The server would accept writes$/);
    await it.shows("#enforces-bridge", /sees no commands/);
    await shots(it.page, `forensics-overview-${browser}`);
    it.isQuiet();
    await it.page.close();
    await open("readOnly");
    await it.shows("#server-flag", /^The server exports it read-only$/);
    await it.shows("#facts", /Access\s+read-only/);
    it.isQuiet();
  });

  /** Starts the hash that the form says, and gives its values by algorithm as the newest result has them. */
  async function hashed(/** @type {RegExp} */ what) {
    await it.page.click("#hash-start");
    await it.shows("#hash-status", /is hashed\.$/);
    await it.shows("#hash-results tbody .run", what);
    return it.page.$$eval("#hash-results tbody:first-of-type tr:not(.run)", (rows) => rows.map((row) => [...row.children].map((cell) => cell.textContent ?? "")));
  }

  /** @param {Record<string, string>} sums */
  const titled = ({ md5, sha1, sha256, sha512 }) => [["MD5", md5], ["SHA-1", sha1], ["SHA-256", sha256], ["SHA-512", sha512]];

  test("the hashes of the disk, of a partition and of a file are those of other programs", { skip }, async () => {
    const disk = await readFile(made.file);
    await it.page.click("#tab-hash");
    await it.check({ "hash-md5": true, "hash-sha1": true, "hash-sha512": true });
    const whole = await hashed(/The whole disk, default export[^]*Offset 0, length 67.108.864 bytes; 20..-..-.. ..:..:.. UTC, .* seconds, .*B\/s; .* not read/);
    assert.deepEqual(whole.map((row) => row.slice(0, 2)), titled(await sumsOf(disk)));

    await it.page.click("#tab-overview");
    await it.page.click('#parts-body button[aria-label^="Hash: Partition 1"]');
    const part = await hashed(/^Partition 1, default export/);
    assert.deepEqual(part.map((row) => row.slice(0, 2)), titled(await sumsOf(disk.subarray(partition.offset, partition.offset + partition.length))));

    await it.page.click("#tab-overview");
    await it.page.click('#parts-body button[aria-label^="Browse: Partition 1"]');
    await choose(it, "random.bin");
    await it.shows("#files .files-side", /\/random\.bin[^]*Where it lies/);
    await shots(it.page, `forensics-files-${browser}`);
    await it.page.$$eval("#files button", (buttons) => buttons.find((b) => b.textContent === "Hash this file")?.click());
    await it.shows("#hash-range", /^3.145.805 bytes/);
    const file = await hashed(/^\/random\.bin of Partition 1/);
    assert.deepEqual(file.map((row) => row.slice(0, 2)), titled(await sumsOf(made.random)));
    it.isQuiet();
  });

  test("a value that is expected, equal and different, and a second pass", { skip }, async () => {
    const { sha256, md5 } = await sumsOf(made.random);
    await it.check({ "hash-md5": false, "hash-sha1": false, "hash-sha256": false, "hash-sha512": false });
    await it.fill({ "hash-expected": `${sha256.toUpperCase()}  ./random.bin` });
    await it.shows("#hash-expected-note", /^By its length: SHA-256$/);
    await hashed(/random\.bin/);
    await it.shows("#hash-verdict", new RegExp(`Equal to the expected value\\s+SHA-256 is ${sha256}`));
    await shots(it.page, `forensics-hash-${browser}`);
    await it.fill({ "hash-expected": `${sha256}\n${md5.replace(/./, (/** @type {string} */ c) => c === "0" ? "1" : "0")}` });
    const rows = await hashed(/random\.bin/);
    assert.deepEqual(rows.map((row) => row[2]), ["≠ DIFFERENT from the expected value", "= Equal to the expected value"]);
    await it.shows("#hash-verdict", new RegExp(`DIFFERENT from the expected value\\s+MD5 should be .{32} and is ${md5}`));
    await shots(it.page, `forensics-hash-different-${browser}`);
    await it.fill({ "hash-expected": "12ab" });
    await it.page.click("#hash-start");
    assert.match(await it.page.$eval("#hash-expected", (field) => /** @type {HTMLTextAreaElement} */ (field).validationMessage), /The value has 4 digits; MD5 has 32/);
    await it.fill({ "hash-expected": "" });
    await it.page.click("#hash-results .run button");
    await it.shows("#hash-verdict", /^=\s+Equal to the first reading/);
    it.isQuiet();
    await it.page.close();
  });

  test("a sector that can't be read leaves no hash, and where it is", { skip }, async () => {
    await open("bad");
    await it.page.click("#tab-hash");
    await it.page.click("#hash-start");
    await it.shows("#alert", /There is no hash\.[^]*The sector at byte 2560000 of the disk can’t be read[^]*Acquire goes around/);
    await shots(it.page, `forensics-hash-unreadable-${browser}`);
    assert.equal(await it.page.$("#hash-results tbody"), null);
    it.isQuiet();
    await it.page.close();
  });

  /** The keyword of the volume in its encodings, as places() takes it. @param {string} text */
  const forms = (text) => ({ "utf-8": Buffer.from(text), "utf-16le": Buffer.from(text, "utf16le"), "utf-16be": Buffer.from(text, "utf16le").swap16() });

  test("keywords of a list are found where they are, and saved as CSV", { skip }, async () => {
    await open("readOnly");
    await it.page.evaluate(fakeDialog);
    await it.page.click("#tab-search");
    await it.page.$eval("#keywords-box", (box) => { /** @type {HTMLDetailsElement} */ (box).open = true; });
    await it.page.evaluate(chooseKeywords, "# of the haystack\r\nThe Needle\r\nlost+found\r\nhex: 53 ef\r\nno such word\r\n");
    await it.shows("#keywords-note", /The list is that of the file now/);
    await it.check({ "ignore-case": true });
    await it.page.click("#search-start");
    await it.shows("#search-status", /The search is done: \d+ hits/);
    const disk = await readFile(made.file);
    const bytes = [];
    for (let at = disk.indexOf("53ef", 0, "hex"); at >= 0; at = disk.indexOf("53ef", at + 1, "hex")) bytes.push({ offset: at, keyword: "hex: 53 ef", encoding: "bytes" });
    const wanted = [...places(disk, forms("the needle"), "The Needle"), ...places(disk, forms("lost+found"), "lost+found"), ...bytes];
    assert.ok(wanted.length > 3 && wanted.length < 10_000, `${wanted.length} places`);
    await it.shows("#hits-body", /lost\+found\s+UTF-8/);
    await it.shows("#hits-keywords", new RegExp(`^hex: 53 ef ${bytes.length}, .*The Needle 1.*Not found: 1 of 4 keywords\\.$`));
    await shots(it.page, `forensics-search-${browser}`);
    await it.page.click("#hits-save");
    await until(it.page, isSaved, "disk-hits.csv");
    const rows = (await it.page.evaluate(savedText, "disk-hits.csv")).split("\r\n").slice(1, -1).map((row) => row.split(","));
    const key = (/** @type {{offset: number, keyword: string, encoding: string}} */ { offset, keyword, encoding }) => `${offset} ${keyword} ${encoding}`;
    assert.deepEqual(rows.map(([offset, , , keyword, encoding]) => key({ offset: Number(offset), keyword: JSON.parse(keyword), encoding: JSON.parse(encoding) })).sort(), wanted.map(key).sort());
    await it.page.click("#hits-body button");
    await it.shows("#hex-where", /^\d+ bytes selected/);
    await shots(it.page, `forensics-bytes-${browser}`);
    it.isQuiet();
  });

  test("a thousand keywords, and how many are too many", { skip }, async () => {
    await it.page.click("#tab-search");
    const list = (/** @type {number} */ n) => [...Array.from({ length: n - 1 }, (_, i) => `keyword-${i * 7919}`), "The Needle"].join("\n");
    await it.fill({ keywords: list(1000) });
    await it.page.click("#search-start");
    await it.shows("#search-status", /The search is done: one hit\./);
    await it.shows("#hits-body", /The Needle\s+UTF-16LE/);
    await it.fill({ keywords: list(1025) });
    await it.page.click("#search-start");
    assert.match(await it.page.$eval("#needle", (field) => /** @type {HTMLInputElement} */ (field).validationMessage), /1025 keywords are 3075 to search for.* takes 3072/);
    await it.fill({ keywords: "fine\nhex: 5g" });
    await it.page.click("#search-start");
    await it.shows("#keywords-note", /^Line 2: Type bytes as pairs/);
    await it.fill({ keywords: "" });
    await it.page.evaluate(chooseKeywords, "x".repeat((64 << 10) + 1));
    await it.shows("#keywords-note", /65537 bytes; .* 65536 at most/);
    it.isQuiet();
  });

  // Only Chromium tells of long tasks.
  if (browser === "chromium") test("hashing, searching and saving hold nothing up", { skip }, async () => {
    const longest = await longestTask(it.page, async () => {
      await it.page.click("#tab-hash");
      await it.check({ "hash-md5": true, "hash-sha1": true, "hash-sha256": true, "hash-sha512": true });
      await hashed(/The whole disk/);
      await it.page.click("#tab-search");
      await it.fill({ keywords: "file-\n00\nhex: 00 01", "needle-kind": "text" });
      await it.page.click("#search-start");
      await it.shows("#search-status", /(The search is done|Stopped at)/);
      await it.page.evaluate(async () => { for await (const name of /** @type {any} */ (await navigator.storage.getDirectory()).keys()) await (await navigator.storage.getDirectory()).removeEntry(name); });
      await it.page.click("#hits-save");
      await until(it.page, isSaved, "disk-hits.csv");
    });
    assert.ok(longest <= 50, `a task took ${longest} ms`);
  });

  test("every control has a name, and nothing is wider than a narrow screen", { skip }, async () => {
    await it.page.setViewport({ width: 320, height: 640 }).catch(() => {});
    for (const tab of ["overview", "files", "bytes", "search", "hash", "acquire"]) {
      await it.page.click(`#tab-${tab}`);
      await until(it.page, () => document.documentElement.scrollWidth <= 320).catch(async () => {
        assert.fail(`${tab} is ${await it.page.evaluate(() => document.documentElement.scrollWidth)} px wide`);
      });
    }
    const nameless = await it.page.$$eval("input, select, textarea, button", (controls) => controls
      .filter((c) => !c.getAttribute("aria-label") && !(c instanceof HTMLButtonElement ? c.textContent?.trim() : /** @type {HTMLInputElement} */ (c).labels?.length))
      .map((c) => c.outerHTML));
    assert.deepEqual(nameless, []);
    const dangling = await it.page.$$eval("[aria-describedby], [aria-labelledby], [aria-controls], [aria-activedescendant]", (elements) => elements
      .flatMap((e) => ["describedby", "labelledby", "controls", "activedescendant"].flatMap((name) => (e.getAttribute(`aria-${name}`) ?? "").split(" ").filter(Boolean)))
      .filter((id) => !document.getElementById(id)));
    assert.deepEqual(dangling, []);
    await it.page.close();
  });

  test("a hash outlives an outage; what was found outlives the disk", { skip }, async () => {
    await open("slow");
    await it.page.click("#tab-hash");
    await it.page.click("#hash-start");
    await it.shows("#hash .progress", /MiB of 64 MiB/);
    await slow.kill();
    await it.shows("#outage", /The connection is lost/);
    await shots(it.page, `forensics-outage-${browser}`);
    const again = await slow.again();
    await it.shows("#hash-results tbody .run", /The whole disk/);
    const { sha256 } = await sumsOf(await readFile(made.file));
    assert.equal(await it.text("#hash-results .sum"), sha256);
    await it.page.click("#hash-start");
    await it.shows("#hash .progress", /MiB of 64 MiB/);
    await again.kill();
    await it.shows("#outage", /The connection is lost/);
    const other = await lab.disk("other.img", pattern(0, MiB));
    await run("cp", [other, join(lab.dir, "slow.img")]);
    await again.again();
    await it.shows("#alert", /The connection was lost\. IDENTITY/);
    await it.shows("#hash-status", /^There is no hash: /);
    assert.equal(await it.text("#hash-results .sum"), sha256);
    assert.equal(await it.page.$eval("#hash-start", (start) => /** @type {HTMLButtonElement} */ (start).disabled), true);
    await it.page.click("#alert button:last-of-type");
    await it.page.click("#tab-overview");
    await it.shows("#layout-status", /MBR partition table/);
    assert.equal(await it.page.$eval("#overview", (panel) => /** @type {HTMLElement} */ (panel).inert), true);
    await it.page.close();
  });
});
