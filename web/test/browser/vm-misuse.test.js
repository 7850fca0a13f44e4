// The machine's page in the hands of who presses what there is, in any order,
// and before servers that say what is not so.
import assert from "node:assert/strict";
import { readFile, truncate } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { buildGrubDisk, missingForGrub } from "../guest/grub.js";
import { inEachBrowser, until } from "./browsers.js";
import { Lab } from "./lab.js";
import { missingPackages } from "./needs.js";
import { click, confirm, fill, phase, say, serveVm, shows } from "./vm-page.js";

/** Milliseconds for what takes seconds on a machine that has nothing else to do. */
const patience = 120_000;

const skip = missingPackages(await missingForGrub());

inEachBrowser("misuse of the machine's page", ({ page: openPage, name: browser }) => {
  /** @type {Lab} */ let lab;
  /** @type {Awaited<ReturnType<typeof serveVm>>} */ let site;
  /** @type {Awaited<ReturnType<Lab["pki"]>>} */ let pki;
  /** @type {string[]} */ let complaints = [];

  before(async () => {
    lab = await Lab.create();
    site = await serveVm(lab);
    pki = await lab.pki("pki");
  });
  after(async () => {
    await site.close();
    await lab.close();
  });

  async function visit() {
    const page = await openPage(`${site.origin}/demo/vm/`);
    complaints = [];
    page.on("pageerror", (error) => complaints.push(String(error)));
    await until(page, () => Boolean(document.getElementById("open")));
    return page;
  }

  /** @param {string} file @param {string[]} options @returns {Promise<Record<string, string>>} what leads to it */
  async function serve(file, ...options) {
    const bridge = await lab.bridge({ lab: (await lab.nbdkit(file, pki, "--threads=1", ...options)).target }, "--origin", site.origin);
    return { bridge: bridge.url(""), target: "lab", "server-name": pki.serverName, ca: pki.ca, cert: pki.cert, key: pki.key, memory: "64" };
  }

  test("Boot twice, Cancel at any time, and Boot again: there is one machine", { skip }, async () => {
    const fields = await serve(await buildGrubDisk(join(lab.dir, "twice.img")));
    const page = await visit();
    await fill(page, fields);
    await page.evaluate(async () => {
      const button = (/** @type {string} */ id) => /** @type {HTMLButtonElement} */ (document.getElementById(id));
      for (const pause of [0, 20, 100, 300, 1000]) {
        button("open").click();
        button("open").click();
        await new Promise((resolve) => setTimeout(resolve, pause)); // in the midst of anything
        button("stop").click();
        button("start").click();
      }
      button("open").click();
      button("open").click();
    });
    await shows(page, "#status", /The disk was opened/, patience);
    await shows(page, "#serial-log", /word\?/, patience);
    await phase(page, "running");
    assert.equal(await page.$$eval("#screen canvas", (canvases) => canvases.length), 1);
    assert.equal(await page.$eval("#alert", (e) => /** @type {HTMLElement} */ (e).innerText), "");
    await say(page, "abc");
    await shows(page, "#serial-log", /saved: abc\./);
    // Firefox may tell of an exception without a value when Workers are ended as they begin; the pages throw none.
    assert.deepEqual(complaints.filter((text) => text !== "Error: uncaught exception: undefined"), []);
    await page.close();
  });

  test("a page that is reloaded in the midst of writing to the export has all changes still", { skip }, async () => {
    const file = await buildGrubDisk(join(lab.dir, "commit.img"));
    const fields = await serve(file, "--filter=delay", "delay-write=4000ms");
    const page = await visit();
    await fill(page, fields);
    await click(page, "open");
    await shows(page, "#serial-log", /word\?/, patience);
    await say(page, "abc");
    await shows(page, "#serial-log", /saved: abc\./);
    await confirm(page, "commit");
    await shows(page, "#work", /Writing the changes to the export/);
    await page.reload();
    await until(page, () => Boolean(document.getElementById("open")));
    await fill(page, fields);
    await click(page, "open");
    await shows(page, "#serial-log", /remembered: abc\./, patience);
    await confirm(page, "commit");
    await shows(page, "#changes-status", /are in the export/, patience);
    assert.ok((await readFile(file)).includes("word=abc\n"));
    await page.close();
  });

  // Only Chromium can be told how much a page may keep.
  if (browser === "chromium") test("a browser that has no room for a change stops the machine, and it is written when there is", { skip }, async () => {
    const fields = await serve(await buildGrubDisk(join(lab.dir, "quota.img")));
    const page = await visit();
    const session = await page.createCDPSession();
    await fill(page, fields);
    await click(page, "open");
    await shows(page, "#serial-log", /word\?/, patience);
    await session.send("Storage.overrideQuotaForOrigin", { origin: site.origin, quotaSize: 1 });
    await say(page, "abc");
    await shows(page, "#alert", /The machine was stopped\. ENOSPC/, patience);
    await phase(page, "failed");
    await session.send("Storage.overrideQuotaForOrigin", { origin: site.origin });
    await click(page, "restart");
    await shows(page, "#serial-log", /remembered: abc\./, patience);
    await phase(page, "running");
    assert.deepEqual(complaints, []);
    await page.close();
  });

  test("a disk of a size that no machine has is refused, each time, and others are not", { skip }, async () => {
    const file = await buildGrubDisk(join(lab.dir, "size.img"));
    const page = await visit();
    for (const size of [0, 1000, 2 ** 40 + 512]) {
      const odd = await lab.disk(`${size}.img`, Buffer.alloc(0));
      await truncate(odd, size);
      const fields = await serve(odd);
      for (const writes of ["keep", "keep", "forget", "through"]) {
        await fill(page, { ...fields, writes });
        await click(page, "open");
        await shows(page, "#alert", new RegExp(`could not be started\\. INVALID_ARGUMENT[^]*${size} bytes`), patience);
        await phase(page, "off");
      }
    }
    await fill(page, { ...await serve(file), writes: "keep" });
    await click(page, "open");
    await shows(page, "#serial-log", /word\?/, patience);
    assert.deepEqual(complaints, []);
    await page.close();
  });
});
