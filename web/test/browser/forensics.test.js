// The page of evidence, over disks of nbdkit with TLS through a bridge: what it
// says of writes, and its hashes beside those of other programs.
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { makeVolume, missingForVolume, partition } from "../volume.js";
import { inEachBrowser, until } from "./browsers.js";
import { DiskPage } from "./disk-page.js";
import { serveWithBadSector } from "./inspect-disk.js";
import { Lab, pattern } from "./lab.js";
import { missingPackages } from "./needs.js";
import { run } from "./processes.js";
import { shots } from "./shots.js";

const programs = { md5: "md5sum", sha1: "sha1sum", sha256: "sha256sum", sha512: "sha512sum" };
const MiB = 1 << 20;

inEachBrowser("the page of evidence", ({ page: openPage, name: browser }) => {
  const skip = missingPackages(missingForVolume());
  /** @type {Lab} */ let lab;
  /** @type {Awaited<ReturnType<Lab["pki"]>>} */ let pki;
  /** @type {string} */ let url;
  /** @type {DiskPage} */ let it;
  /** @type {Awaited<ReturnType<typeof makeVolume>>} */ let made;

  before(async () => {
    lab = await Lab.create();
    pki = await lab.pki("pki");
    made = await makeVolume(lab.dir);
    const plain = await lab.disk("plain.img", pattern(0, 4 * MiB + 100));
    const [writable, readOnly, bad] = await Promise.all([lab.nbdkit(made.file, pki), lab.nbdkit(made.file, pki, "--readonly"), serveWithBadSector(lab, plain, 5000, pki)]);
    const bridge = await lab.bridge({ writable: writable.target, readOnly: readOnly.target, bad: bad.target });
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
    await until(it.page, () => [...document.querySelectorAll(".files-row .name")].some((name) => name.textContent === "random.bin"));
    await shots(it.page, `forensics-files-${browser}`);
    await it.page.evaluate(() => {
      const name = [...document.querySelectorAll(".files-row .name")].find((n) => n.textContent === "random.bin");
      /** @type {HTMLElement} */ (name?.closest(".files-row")).click();
    });
    await it.page.evaluate(() => [...document.querySelectorAll("#files button")].find((b) => b.textContent === "Hash this file")?.dispatchEvent(new MouseEvent("click", { bubbles: true })));
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
});
