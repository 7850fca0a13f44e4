// The machine's page with a disk that boots GRUB, which takes a second.
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { buildGrubDisk, greeting, missingForGrub } from "../guest/grub.js";
import { inEachBrowser, until } from "./browsers.js";
import { Lab } from "./lab.js";
import { missingPackages } from "./needs.js";
import { click, confirm, fill, phase, say, serveVm, shows } from "./vm-page.js";

const skip = missingPackages(await missingForGrub());

inEachBrowser("the machine's page", ({ page: openPage, name: browser }) => {
  /** @type {Lab} */ let lab;
  /** @type {Awaited<ReturnType<typeof serveVm>>} */ let site;
  /** @type {string[]} */ let complaints;

  before(async () => {
    lab = await Lab.create();
    site = await serveVm();
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

  test("boots, keeps what the machine writes over a reload, and discards it", { skip }, async () => {
    const { file, fields, before } = await grub("keeps");
    const page = await visit();
    await fill(page, fields);
    await click(page, "open");
    await shows(page, "#serial-log", new RegExp(`${greeting}[^]*remembered: nothing\\.[^]*word\\?`));
    await say(page, "abc");
    await shows(page, "#serial-log", /saved: abc\./);
    await shows(page, "#dirty", /KiB/);
    await shows(page, "#stat-requests", /^[1-9]/);
    await page.reload();
    await ready(page);
    await fill(page, fields);
    await click(page, "open");
    await shows(page, "#serial-log", /remembered: abc\./);
    await confirm(page, "discard");
    await shows(page, "#serial-log", /remembered: nothing\./);
    assert.ok(before.equals(await readFile(file)), "the export was changed");
    assert.deepEqual(complaints, []);
    await page.close();
  });
});
