// Linux in the machine's page, from a disk of nbdkit, with TLS through the bridge.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Shell, buildLinuxDisk, missingForLinux } from "../guest/linux.js";
import { inEachBrowser, until } from "./browsers.js";
import { Lab } from "./lab.js";
import { missingPackages } from "./needs.js";
import { shots } from "./shots.js";
import { Console } from "./vm-console.js";
import { click, fill, phase, say, serveVm, shows } from "./vm-page.js";

/** @typedef {import("puppeteer-core").Page} Page */

/** NBD requests that a boot may take. */
const budget = 60;

const skip = missingPackages(await missingForLinux());

inEachBrowser("Linux in the machine's page", ({ page: openPage, name: browser }) => {
  /** @type {Lab} */ let lab;
  /** @type {Awaited<ReturnType<typeof serveVm>>} */ let site;
  before(async () => {
    lab = await Lab.create();
    site = await serveVm(lab);
  });
  after(async () => {
    await site.close();
    await lab.close();
  });

  /** Boots to the shell. @param {Page} page @param {Record<string, string>} fields */
  async function boot(page, fields) {
    await until(page, () => Boolean(document.getElementById("open")));
    await fill(page, fields);
    await click(page, "open");
    await phase(page, "running");
    const shell = new Shell(new Console(page));
    await shell.ready();
    return shell;
  }

  /** @param {Shell} shell @param {string} command @returns {Promise<string>} what it says */
  async function good(shell, command) {
    const { output, status } = await shell.run(command, 120_000);
    assert.equal(status, 0, `${command}: ${output}`);
    return output;
  }

  test("it checks a file, writes another, and has it after a reload; the export stays as it is", { skip }, async () => {
    const file = await buildLinuxDisk(join(lab.dir, "linux.img"));
    const digest = createHash("sha256").update(await readFile(file)).digest("hex");
    const pki = await lab.pki("linux");
    const bridge = await lab.bridge({ linux: (await lab.nbdkit(file, pki)).target }, "--origin", site.origin);
    const fields = { bridge: bridge.url(""), target: "linux", "server-name": pki.serverName, ca: pki.ca, cert: pki.cert, key: pki.key, memory: "64" };
    const page = await openPage(`${site.origin}/demo/vm/`);
    const shell = await boot(page, fields);
    const requests = Number(await page.$eval("#stat-requests", (e) => e.textContent));
    assert.ok(requests > 0 && requests <= budget, `${requests} NBD requests`);
    assert.match(await good(shell, "sha256sum -c test.sha256"), /test\.bin: OK/);
    await good(shell, "dd if=/dev/urandom of=new.bin bs=1024k count=1 2>/dev/null; sync");
    const [sum] = /[0-9a-f]{64}/.exec(await good(shell, "sha256sum new.bin")) ?? [];
    assert.ok(sum);
    await keyboard(page);
    await shots(page, `vm-linux-${browser}`);
    await page.reload();
    const again = await boot(page, fields);
    assert.match(await good(again, "sha256sum new.bin"), new RegExp(sum));
    await good(again, "sha256sum -c test.sha256");
    await say(page, "poweroff");
    await shows(page, "#machine-status", /has shut down/, 120_000);
    await page.close();
    assert.equal(createHash("sha256").update(await readFile(file)).digest("hex"), digest, "the export was changed");
  });

  /** What is typed reaches the machine only while it has the keyboard. @param {Page} page */
  async function keyboard(page) {
    await page.focus("#screen");
    await page.keyboard.type("echo lost");
    await page.keyboard.press("Enter");
    await page.keyboard.type("echo key42\n");
    await shows(page, "#screen", /\nkey42/);
    assert.doesNotMatch(await page.$eval("#screen", (e) => e.textContent ?? ""), /lost/);
    for (const key of /** @type {const} */ (["Control", "Alt"])) await page.keyboard.down(key);
    for (const key of /** @type {const} */ (["Alt", "Control"])) await page.keyboard.up(key);
    await shows(page, "#screen-status", /The keyboard is yours/);
  }
});
