// The machine's page with a disk that boots GRUB, which takes a second.
import assert from "node:assert/strict";
import { readFile, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { buildGrubCd, buildGrubDisk, greeting, greetingOfCd, missingForGrub } from "../guest/grub.js";
import { inEachBrowser, until } from "./browsers.js";
import { Lab } from "./lab.js";
import { missingPackages } from "./needs.js";
import { shots } from "./shots.js";
import { click, confirm, fill, phase, say, serveVm, shows } from "./vm-page.js";

/** @typedef {import("puppeteer-core").Page} Page */

const skip = missingPackages(await missingForGrub());

inEachBrowser("the machine's page", ({ page: openPage, name: browser }) => {
  /** @type {Lab} */ let lab;
  /** @type {Awaited<ReturnType<typeof serveVm>>} */ let site;
  /** @type {string[]} */ let complaints;

  before(async () => {
    lab = await Lab.create();
    site = await serveVm(lab);
  });
  after(async () => {
    await site.close();
    await lab.close();
  });

  /** A page that complains in the test. @param {string} [origin] */
  async function visit(origin = site.origin) {
    const page = await openPage("about:blank");
    complaints = [];
    page.on("pageerror", (error) => complaints.push(String(error)));
    page.on("console", (message) => {
      if (message.type() === "error") complaints.push(message.text());
    });
    await page.goto(`${origin}/demo/vm/`);
    await ready(page);
    return page;
  }

  /** Waits for the form. @param {import("puppeteer-core").Page} page */
  async function ready(page) {
    await until(page, () => Boolean(document.getElementById("open"))).catch((error) => { throw new Error(`${error.message}: ${complaints.join("; ")}`); });
  }

  /** A disk of GRUB behind a bridge. @param {string} name @param {string[]} options */
  async function grub(name, ...options) {
    const file = await buildGrubDisk(join(lab.dir, `${browser}-${name}.img`));
    const pki = await lab.pki(`${browser}-${name}`);
    const server = await lab.nbdkit(file, pki, ...options);
    const bridge = await lab.bridge({ grub: server.target }, "--origin", site.origin);
    const fields = { bridge: bridge.url(""), target: "grub", "server-name": pki.serverName, ca: pki.ca, cert: pki.cert, key: pki.key, memory: "64" };
    return { file, fields, before: await readFile(file) };
  }

  /** Boots, and waits until GRUB asks for a word. @param {Page} page @param {Record<string, string>} fields */
  async function boot(page, fields, remembered = "nothing") {
    await fill(page, fields);
    await click(page, "open");
    await shows(page, "#serial-log", new RegExp(`${greeting}[^]*remembered: ${remembered}\\.[^]*word\\?`));
  }

  /** Has GRUB write a word to its disk. @param {Page} page @param {string} word */
  async function write(page, word) {
    await say(page, word);
    await shows(page, "#serial-log", new RegExp(`saved: ${word}\\.`));
  }

  /** Does something while the browser's storage is full. @param {Page} page @param {() => Promise<void>} task */
  async function withoutRoom(page, task) {
    await page.evaluate(() => {
      const { prototype } = FileSystemWritableFileStream;
      Object.assign(globalThis, { write: prototype.write });
      prototype.write = async () => { throw new DOMException("full", "QuotaExceededError"); };
    });
    await task();
    await page.evaluate(() => { FileSystemWritableFileStream.prototype.write = /** @type {any} */ (globalThis).write; });
  }

  test("boots, keeps what the machine writes over a reload, and discards it", { skip }, async () => {
    const { file, fields, before } = await grub("keeps");
    const page = await visit();
    await boot(page, fields);
    await write(page, "abc");
    await shows(page, "#dirty", /KiB/);
    await shows(page, "#stat-requests", /^[1-9]/);
    assert.match(await page.$eval("#map-summary", (e) => e.textContent ?? ""), /[1-9]\d* were read from the server.* [1-9]\d* were written/);
    await click(page, "power-off"); // a reload right after a write is a power cut, and may take the write along
    await phase(page, "off");
    await page.reload();
    await ready(page);
    await boot(page, fields, "abc");
    await confirm(page, "discard");
    await shows(page, "#serial-log", /remembered: nothing\./);
    await shows(page, "#changes-status", /were discarded/);
    assert.ok(before.equals(await readFile(file)), "the export was changed");
    assert.deepEqual(complaints, []);
    await page.close();
  });

  test("goes on from a saved state, also after a reload, and asks before it takes changes back", { skip }, async () => {
    const { file, fields, before } = await grub("resumes");
    const page = await visit();
    await boot(page, fields);
    await write(page, "abc");
    await click(page, "pause");
    await phase(page, "paused");
    await click(page, "pause");
    await phase(page, "running");
    await withoutRoom(page, async () => {
      await click(page, "save");
      await shows(page, "#alert", /could not be saved\. ENOSPC[^]*has no room for/);
    });
    await phase(page, "running");
    await click(page, "save");
    await shows(page, "#offer", /This machine was saved/);
    await phase(page, "running");
    await page.reload();
    await ready(page);
    await fill(page, { ...fields, memory: "128" }); // what counts is what the machine had
    await click(page, "open");
    await shows(page, "#offer-text", /with 64 MiB of memory, in \d/);
    await phase(page, "ready");
    await shots(page, `vm-saved-${browser}`);
    await click(page, "resume"); // nothing was changed since: nobody asks
    await phase(page, "running");
    await say(page, ""); // boots again
    await shows(page, "#serial-log", /remembered: abc\./);
    await write(page, "xyz");
    await click(page, "power-off");
    await phase(page, "off");
    await click(page, "resume"); // also a machine that is off has changes to lose
    await shows(page, "dialog", /What was written since then is lost/);
    await page.click("dialog button:not(.danger)");
    await phase(page, "ready");
    await click(page, "boot-afresh");
    await shows(page, "#serial-log", /remembered: xyz\./);
    await confirm(page, "resume");
    await phase(page, "running");
    await say(page, "");
    await shows(page, "#serial-log", /remembered: abc\./);
    await click(page, "forget");
    await until(page, () => /** @type {HTMLElement} */ (document.getElementById("offer")).hidden);
    await click(page, "save");
    await shows(page, "#offer-text", /with 64 MiB of memory/);
    await click(page, "power-off");
    await phase(page, "off");
    await click(page, "open");
    await phase(page, "ready");
    await click(page, "forget");
    await until(page, () => /** @type {HTMLElement} */ (document.getElementById("offer")).hidden);
    await click(page, "start");
    await shows(page, "#serial-log", /remembered: abc\./);
    assert.ok(before.equals(await readFile(file)), "the export was changed");
    assert.deepEqual(complaints, []);
    await page.close();
  });

  test("refuses an export that has changed under a saved state and under changes", { skip }, async () => {
    const { file, fields, before } = await grub("changed");
    const page = await visit();
    await boot(page, fields);
    await write(page, "abc");
    await click(page, "save");
    await shows(page, "#offer", /This machine was saved/);
    await click(page, "power-off");
    await phase(page, "off");
    await writeFile(file, before.with(5000, before[5000] ^ 1));
    await click(page, "resume");
    await shows(page, "#alert", /could not be resumed\. IDENTITY[^]*has changed since/);
    await phase(page, "off");
    await shots(page, `vm-refused-${browser}`, { whole: false });
    await click(page, "start");
    await shows(page, "#alert", /could not be started\. IDENTITY[^]*has changed since/);
    await writeFile(file, before);
    await click(page, "resume");
    await phase(page, "running");
    await say(page, "");
    await shows(page, "#serial-log", /remembered: abc\./);
    await click(page, "power-off");
    await phase(page, "off");
    await writeFile(file, before.with(1 << 20, 1));
    await confirm(page, "discard"); // what is left does not hang on the export
    await shows(page, "#changes-status", /were discarded/);
    await click(page, "start");
    await shows(page, "#serial-log", /remembered: nothing\./);
    assert.deepEqual(complaints, []);
    await page.close();
  });

  test("a machine is in one tab at a time", { skip }, async () => {
    const { fields } = await grub("tabs");
    const page = await visit();
    await boot(page, fields);
    const second = await visit();
    await fill(second, fields);
    await click(second, "open");
    await shows(second, "#alert", /could not be started\. IN_USE/);
    await fill(second, { writes: "forget" });
    await click(second, "open");
    await shows(second, "#serial-log", /word\?/);
    await second.close();
    await page.close();
  });

  test("a disk that no machine can have is let go of again", { skip }, async () => {
    const { file, fields } = await grub("odd");
    await truncate(file, 1000);
    const page = await visit();
    await fill(page, fields);
    for (let i = 0; i < 2; i++) {
      await click(page, "open");
      await shows(page, "#alert", /could not be started\. INVALID_ARGUMENT[^]*1000 bytes/);
    }
    await page.close();
  });

  test("a machine that was started after disconnecting can be disconnected", { skip }, async () => {
    const { fields } = await grub("started");
    const page = await visit();
    await boot(page, fields);
    await click(page, "stop");
    await shows(page, "#status", /Not connected/);
    await click(page, "start");
    await shows(page, "#serial-log", /word\?/);
    await shows(page, "#status", /The disk was opened/);
    await click(page, "stop");
    await phase(page, "off");
    await page.close();
  });

  test("writes the changes to the export, if it can be written", { skip }, async () => {
    const { file, fields, before } = await grub("commits");
    const page = await visit();
    await boot(page, fields);
    await write(page, "abc");
    await confirm(page, "commit");
    await shows(page, "#changes-status", /are in the export/);
    await shows(page, "#dirty", /nothing/);
    const now = await readFile(file);
    assert.ok(now.includes("word=abc\n") && now.length === before.length);
    await click(page, "start");
    await shows(page, "#serial-log", /remembered: abc\./);
    await page.close();
    const protectedDisk = await grub("protected", "--readonly");
    const other = await visit();
    await boot(other, protectedDisk.fields);
    await write(other, "abc");
    await confirm(other, "commit");
    await shows(other, "#alert", /They are all still here\. READ_ONLY[^]*read-only, so nothing was written/);
    await click(other, "start");
    await shows(other, "#serial-log", /remembered: abc\./);
    await fill(other, { writes: "through" });
    await shows(other, "#through-hint", /nothing brings back/);
    await click(other, "open");
    await shows(other, "#alert", /could not be started\. READ_ONLY/);
    assert.deepEqual(complaints, []);
    await other.close();
  });

  test("carries the changes to a file and back", { skip }, async () => {
    const { fields } = await grub("carries");
    const page = await visit();
    await page.evaluate(() => Object.assign(globalThis, {
      showSaveFilePicker: async () => (await navigator.storage.getDirectory()).getFileHandle("dialog", { create: true }),
    }));
    await boot(page, fields);
    await write(page, "abc");
    await click(page, "export-changes");
    await until(page, async () => {
      const folder = await navigator.storage.getDirectory();
      return (await (await folder.getFileHandle("dialog", { create: true })).getFile()).size > 4096;
    });
    await phase(page, "running");
    await confirm(page, "discard");
    await shows(page, "#changes-status", /were discarded/);
    await phase(page, "running");
    await shows(page, "#serial-log", /remembered: nothing\./);
    await page.evaluate(async () => { // as if it had been chosen
      const file = await (await (await navigator.storage.getDirectory()).getFileHandle("dialog")).getFile();
      const chosen = new DataTransfer();
      chosen.items.add(file);
      const input = /** @type {HTMLInputElement} */ (document.getElementById("import-file"));
      input.files = chosen.files;
      input.dispatchEvent(new Event("change"));
    });
    await shows(page, "dialog", /replaced by those of the file/);
    await page.click("dialog button.danger");
    await shows(page, "#changes-status", /in their place/);
    await click(page, "start");
    await shows(page, "#serial-log", /remembered: abc\./);
    assert.deepEqual(complaints, []);
    await page.close();
  });

  test("boots a CD-ROM out of the list of exports", { skip }, async () => {
    const file = await buildGrubCd(join(lab.dir, `${browser}.iso`));
    const pki = await lab.pki(`${browser}-cd`);
    const bridge = await lab.bridge({ cd: (await lab.nbdkit(file, pki)).target }, "--origin", site.origin);
    const page = await visit();
    await fill(page, { bridge: bridge.url(""), target: "cd", "server-name": pki.serverName, ca: pki.ca, cert: pki.cert, key: pki.key, memory: "64", media: "cdrom" });
    await click(page, "list");
    await shows(page, "#exports-list", /default export[^]*Boot/);
    await page.click("#exports-list button");
    await shows(page, "#serial-log", new RegExp(greetingOfCd));
    assert.deepEqual(complaints, []);
    await page.close();
  });

  test("writes through to the export, and then saves no state", { skip }, async () => {
    const { file, fields } = await grub("through");
    const page = await visit();
    await boot(page, { ...fields, writes: "through" });
    await write(page, "abc");
    assert.ok((await readFile(file)).includes("word=abc\n"));
    const disabled = await page.$$eval("#save, #discard, #commit, #export-changes", (buttons) => buttons.map((b) => /** @type {HTMLButtonElement} */ (b).disabled));
    assert.deepEqual(disabled, [true, true, true, true]);
    await page.close();
  });

  test("the machine gets the keyboard by Enter and gives it back by Ctrl and Alt", { skip }, async () => {
    const { fields } = await grub("keys");
    const page = await visit();
    await boot(page, fields);
    await page.focus("#screen");
    await page.keyboard.press("Tab"); // no trap for who goes past it
    assert.notEqual(await page.evaluate(() => document.activeElement?.id), "screen");
    await page.focus("#screen");
    await page.keyboard.press("Enter");
    await shows(page, "#screen-status", /The machine has the keyboard\. Press Ctrl and Alt/);
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement?.id), "screen");
    await page.keyboard.down("Control");
    await page.keyboard.down("Alt");
    await page.keyboard.press("Delete"); // these three are the machine's
    await page.keyboard.up("Alt");
    await page.keyboard.up("Control");
    await shows(page, "#screen-status", /The machine has the keyboard/);
    await page.keyboard.down("Alt");
    await page.keyboard.down("Control");
    await page.keyboard.up("Control");
    await page.keyboard.up("Alt");
    await shows(page, "#screen-status", /The keyboard is yours/);
    await page.keyboard.press("Tab");
    assert.notEqual(await page.evaluate(() => document.activeElement?.id), "screen");
    await page.click("#screen");
    await shows(page, "#screen-status", /The machine has the keyboard/);
    await page.focus("#serial-line");
    await shows(page, "#screen-status", /The keyboard is yours/);
    assert.deepEqual(complaints, []);
    await page.close();
  });

  // Only Chromium can be told to collect garbage.
  if (browser === "chromium") test("ten machines leave nothing behind", { skip }, async () => {
    const { fields } = await grub("leaks");
    const page = await visit();
    await page.evaluate(() => {
      const { instantiate } = WebAssembly;
      const memories = /** @type {WeakRef<object>[]} */ ([]);
      Object.assign(WebAssembly, { async instantiate(/** @type {any} */ ...args) {
        const instance = await Reflect.apply(instantiate, WebAssembly, args);
        if (instance.exports.memory) memories.push(new WeakRef(instance.exports.memory));
        return instance;
      } });
      Object.assign(globalThis, { living: () => [memories.length, memories.filter((m) => m.deref()).length] });
    });
    await boot(page, fields);
    for (let i = 0; i < 9; i++) {
      await click(page, "power-off");
      await phase(page, "off");
      await click(page, "start");
      await phase(page, "running");
      await shows(page, "#serial-log", /word\?/);
    }
    await click(page, "power-off");
    await phase(page, "off");
    const session = await page.createCDPSession();
    await session.send("HeapProfiler.enable");
    for (const deadline = Date.now() + 30_000; ;) {
      await session.send("HeapProfiler.collectGarbage");
      const [made, living] = await page.evaluate(() => /** @type {any} */ (globalThis).living());
      if (made === 10 && living <= 1) break;
      assert.ok(Date.now() < deadline, `${living} of ${made} machines are still in memory`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    for (const deadline = Date.now() + 30_000; page.workers().length > 1; await new Promise((resolve) => setTimeout(resolve, 100))) {
      assert.ok(Date.now() < deadline, `${page.workers().length} Workers are left`);
    }
    await page.close();
  });

  test("without V86's files the page says what to run", async () => {
    const bare = await serveVm(lab, { v86: false });
    const page = await visit(bare.origin);
    await shows(page, "#no-firmware", /make demo-vm/);
    assert.equal(await page.$eval("#connection", (e) => /** @type {HTMLElement} */ (e).inert), true);
    await page.close();
    await bare.close();
  });

  test("everything has a name", { skip }, async () => {
    const page = await visit();
    const nameless = await page.$$eval("input, select, textarea, button", (controls) => controls
      .filter((c) => !c.getAttribute("aria-label") && !(c instanceof HTMLButtonElement ? c.textContent?.trim() : /** @type {HTMLInputElement} */ (c).labels?.length))
      .map((c) => c.outerHTML));
    assert.deepEqual(nameless, []);
    const dangling = await page.$$eval("[aria-describedby], [aria-labelledby]", (elements) => elements
      .flatMap((e) => `${e.getAttribute("aria-describedby") ?? ""} ${e.getAttribute("aria-labelledby") ?? ""}`.split(" ").filter(Boolean))
      .filter((id) => !document.getElementById(id)));
    assert.deepEqual(dangling, []);
    await page.close();
  });
});
