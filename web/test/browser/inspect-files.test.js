// The files side of the inspector, over a disk of mke2fs: folders, also a large
// one, details, previews, and what is saved.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdir, open, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { deflateSync } from "node:zlib";
import { BlobReader, Uint8ArrayWriter, ZipReader } from "@zip.js/zip.js";
import { crc32 } from "../../client/storage/crc32.js";
import { missingForVolume } from "../volume.js";
import { inEachBrowser, until } from "./browsers.js";
import { Lab } from "./lab.js";
import { missingPackages } from "./needs.js";
import { run } from "./processes.js";
import { shots } from "./shots.js";

/** Entries of the large folder. */
const many = 100_000;

/** A red square of 2 pixels, as PNG. */
const picture = Buffer.concat([Buffer.from("\x89PNG\r\n\x1a\n", "latin1"),
  chunk("IHDR", Buffer.from([0, 0, 0, 2, 0, 0, 0, 2, 8, 2, 0, 0, 0])),
  chunk("IDAT", deflateSync(Buffer.from([0, 255, 0, 0, 255, 0, 0, 0, 255, 0, 0, 255, 0, 0]))), chunk("IEND", Buffer.alloc(0))]);

/** @param {string} type @param {Buffer} data */
function chunk(type, data) {
  const body = Buffer.concat([Buffer.from(type), data]), made = Buffer.alloc(body.length + 8);
  made.writeUInt32BE(data.length);
  body.copy(made, 4);
  made.writeUInt32BE(crc32(body), body.length + 4);
  return made;
}

const hostile = "<img src=x onerror=alert(1)>.html";

const MiB = 1 << 20;
/** Where the volumes lie, in bytes: one with a few files, one with many. */
const volumes = [{ offset: MiB, length: 15 * MiB, type: 0x83 }, { offset: 16 * MiB, length: 288 * MiB, type: 0x0c }];

/** @param {string} dir */
async function makeDisk(dir) {
  const [root, file] = [join(dir, "root"), join(dir, "files.img")];
  await mkdir(join(root, "docs"), { recursive: true });
  await writeFile(join(root, "docs", "letter.txt"), "Dear reader,\nthis lies on a disk far away.\n");
  await writeFile(join(root, "docs", "square.png"), picture);
  await writeFile(join(root, "docs", hostile), "<script>alert(1)</script>");
  await writeFile(join(root, "docs", "noise.bin"), createHash("sha512").update("noise").digest());
  await symlink("letter.txt", join(root, "docs", "link"));
  await writeFile(file, "");
  await truncate(file, 304 * MiB);
  await run("mke2fs", ["-q", "-F", "-t", "ext4", "-L", "files", "-E", `offset=${volumes[0].offset}`, "-d", root, file, `${volumes[0].length / 1024}k`]);
  await rm(root, { recursive: true });
  const disk = await open(file, "r+");
  await disk.write(masterBootRecord(), 0, undefined, 0);
  for (const [at, bytes] of manyFiles()) await disk.write(bytes, 0, undefined, volumes[1].offset + at);
  await disk.close();
  return file;
}

function masterBootRecord() {
  const record = Buffer.alloc(512);
  for (const [i, { offset, length, type }] of volumes.entries()) {
    record.writeUInt8(type, 446 + 16 * i + 4);
    record.writeUInt32LE(offset / 512, 446 + 16 * i + 8);
    record.writeUInt32LE(length / 512, 446 + 16 * i + 12);
  }
  record.writeUInt16LE(0xaa55, 510);
  return record;
}

/** A FAT32 of 70,000 clusters whose one folder has as many entries as no tool would write in good time. @returns {[at: number, bytes: Buffer][]} */
function manyFiles() {
  const [sector, reserved, tableSectors, cluster, clusters] = [512, 32, 560, 4096, 70_000];
  const boot = Buffer.alloc(sector);
  boot.write("\xeb\x58\x90mkfs.fat", "latin1");
  boot.writeUInt16LE(sector, 11);
  boot.writeUInt8(cluster / sector, 13);
  boot.writeUInt16LE(reserved, 14);
  boot.writeUInt8(1, 16);
  boot.writeUInt8(0xf8, 21);
  boot.writeUInt32LE(reserved + tableSectors + clusters * cluster / sector, 32);
  boot.writeUInt32LE(tableSectors, 36);
  boot.writeUInt32LE(2, 44);
  boot.writeUInt8(0x29, 66);
  boot.write("MANY       FAT32   ", 71);
  boot.writeUInt16LE(0xaa55, 510);
  const entries = Buffer.alloc((many + 1) * 32);
  for (let i = 0; i < many; i++) entries.write(`F${String(i).padStart(7, "0")}   \x20`, 32 * i, "latin1");
  const used = Math.ceil(entries.length / cluster);
  const table = Buffer.alloc(tableSectors * sector);
  [0x0ffffff8, 0x0fffffff, 0x0fffffff].forEach((value, i) => table.writeUInt32LE(value, 4 * i));
  for (let i = 0; i < used; i++) table.writeUInt32LE(i === used - 1 ? 0x0fffffff : 4 + i, 4 * (3 + i));
  const root = Buffer.alloc(64);
  root.write("MANY       \x10", 0, "latin1");
  root.writeUInt16LE(3, 26);
  const heap = (reserved + tableSectors) * sector;
  return [[0, boot], [reserved * sector, table], [heap, root], [heap + cluster, entries]];
}

/** Runs in the page: what is saved goes to the browser's own storage. */
function fakeDialog() {
  Object.assign(globalThis, {
    async showSaveFilePicker(/** @type {any} */ { suggestedName }) {
      return (await navigator.storage.getDirectory()).getFileHandle(suggestedName, { create: true });
    },
  });
}

/** Runs in the page. @param {string} name */
async function saved(name) {
  const file = await (await navigator.storage.getDirectory()).getFileHandle(name).then((h) => h.getFile(), () => undefined);
  return file?.size ? [...new Uint8Array(await file.arrayBuffer())] : null;
}

/** Runs in the page: the rows that are drawn. */
const rows = () => [...document.querySelectorAll(".files-row .name")].map((name) => name.textContent);

inEachBrowser("the inspector's files", ({ page: openPage, name: browser }) => {
  const skip = missingPackages(missingForVolume());
  /** @type {Lab} */ let lab;
  /** @type {import("puppeteer-core").Page} */ let page;
  /** @type {string[]} */ const complaints = [];

  before(async () => {
    lab = await Lab.create();
    const pki = await lab.pki("pki");
    const { target } = await lab.nbdkit(await makeDisk(lab.dir), pki, "--threads=1");
    const bridge = await lab.bridge({ files: target });
    page = await openPage("about:blank");
    page.on("pageerror", (error) => complaints.push(String(error)));
    page.on("console", (message) => {
      if (message.type() === "error") complaints.push(message.text());
    });
    await page.goto(`${bridge.page}inspect/#target=files`);
    await page.setViewport({ width: 1280, height: 900 }).catch(() => {}); // Firefox 140 sets the size, and complains
    await until(page, () => Boolean(document.getElementById("server-name")) && /Not connected/.test(document.getElementById("status")?.textContent ?? ""));
    await page.evaluate((fields) => {
      for (const [id, value] of Object.entries(fields)) /** @type {HTMLInputElement} */ (document.getElementById(id)).value = value;
    }, { "server-name": pki.serverName, ca: pki.ca, cert: pki.cert, key: pki.key });
    await page.evaluate(fakeDialog);
    await page.click("#open");
    await until(page, () => document.getElementById("layout-status")?.textContent);
    await page.click("#tab-files");
    await page.select("#volume", "0");
  });
  after(() => lab.close());

  /** Presses keys in the tree. @param {import("puppeteer-core").KeyInput[]} keys */
  async function press(...keys) {
    await page.focus("#files-tree");
    for (const key of keys) await page.keyboard.press(key);
  }

  /** Chooses a row by typing the beginning of its name. @param {string} name @param {string} [path] */
  async function choose(name, path = `/docs/${name}`) {
    await page.evaluate((wanted) => {
      const row = [...document.querySelectorAll(".files-row")].find((r) => r.querySelector(".name")?.textContent === wanted);
      if (!(row instanceof HTMLElement)) throw new Error(`there is no row ${wanted}`);
      row.click();
    }, name);
    await until(page, (p) => document.querySelector("#files dd .name")?.textContent === p && !document.querySelector("#files [aria-busy=true]"), path);
  }

  test("folders open by keyboard, and what they hold is sorted", { skip }, async () => {
    await until(page, () => document.querySelectorAll(".files-row").length >= 3);
    assert.deepEqual(await page.evaluate(rows), ["/", "docs", "lost+found"]);
    await press("ArrowDown", "ArrowRight");
    await until(page, () => document.querySelectorAll(".files-row").length >= 8);
    assert.deepEqual((await page.evaluate(rows)).slice(0, 7), ["/", "docs", hostile, "letter.txt", "link", "noise.bin", "square.png"]);
    assert.equal(await page.$eval('.files-row[aria-selected="true"]', (row) => row.getAttribute("aria-expanded")), "true");
  });

  test("a text, a picture and bytes are shown for what they are, and nothing as a document", { skip }, async () => {
    await choose("letter.txt");
    await until(page, () => document.querySelector(".preview-text")?.textContent?.includes("far away"));
    await choose("square.png");
    await until(page, () => Boolean(document.querySelector("canvas.preview-picture")));
    assert.deepEqual(await page.$eval("canvas.preview-picture", (c) => [.../** @type {any} */ (c).getContext("2d").getImageData(0, 0, 1, 1).data]), [255, 0, 0, 255]);
    await choose(hostile);
    await until(page, () => document.querySelector(".preview-text")?.textContent === "<script>alert(1)</script>");
    assert.equal(await page.$("#files img, #files script, #files iframe"), null);
    await choose("link");
    await until(page, () => /Leads to\s*letter\.txt/.test(document.querySelector("#files .facts")?.textContent ?? ""));
    await shots(page, `inspect-files-${browser}`);
  });

  test("a file and a folder are saved", { skip }, async () => {
    await choose("letter.txt");
    await page.click("#file-save");
    await until(page, saved, "letter.txt");
    assert.equal(Buffer.from(await page.evaluate(saved, "letter.txt") ?? []).toString(), "Dear reader,\nthis lies on a disk far away.\n");
    await press("ArrowLeft"); // to the folder
    await until(page, () => document.getElementById("file-save")?.textContent?.includes("zip"));
    await page.click("#file-save");
    await until(page, saved, "docs.zip");
    const entries = await new ZipReader(new BlobReader(new Blob([Uint8Array.from(await page.evaluate(saved, "docs.zip") ?? [])]))).getEntries();
    assert.deepEqual(entries.map((e) => e.filename).sort(), ["_img src=x onerror=alert(1)_.html", "_left-out.txt", "letter.txt", "noise.bin", "square.png"]);
    const square = entries.find((e) => e.filename === "square.png");
    assert.ok(square && !square.directory);
    assert.ok(picture.equals(await square.getData(new Uint8ArrayWriter(), { checkSignature: true })));
  });

  test("a folder of 100,000 entries is listed, sorted and scrolled, and the page stays free", { skip }, async (t) => {
    await page.evaluate(() => {
      const long = Object.assign(globalThis, { long: /** @type {number[]} */ ([]) }).long;
      if (PerformanceObserver.supportedEntryTypes.includes("longtask")) new PerformanceObserver((list) => long.push(...list.getEntries().map((e) => e.duration))).observe({ entryTypes: ["longtask"] });
    });
    await page.select("#volume", "1");
    await until(page, () => document.querySelectorAll(".files-row").length === 2);
    await press("ArrowDown", "ArrowRight");
    await until(page, (count) => document.querySelector("#files-tree")?.getAttribute("aria-rowcount") === String(count), many + 2);
    await until(page, () => document.querySelector("#files-tree")?.getAttribute("aria-busy") === "false");
    await press("PageDown", "PageDown", "End", "PageUp", "Home", "End");
    await until(page, (last) => [...document.querySelectorAll(".files-row .name")].at(-1)?.textContent === last, `F${String(many - 1).padStart(7, "0")}`);
    assert.ok(await page.evaluate(() => document.querySelectorAll(".files-row").length) < 100, "only what is in sight is drawn");
    assert.deepEqual(complaints, []);
    const long = await page.evaluate(() => /** @type {number[]} */ (/** @type {any} */ (globalThis).long));
    t.diagnostic(`tasks of more than 50 ms: ${long.map(Math.round).join(", ") || "none"}`);
    assert.ok(long.every((ms) => ms < 500), "a task that long is no matter of a busy machine");
  });
});
