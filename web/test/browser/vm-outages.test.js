// Machines whose disk goes away for a while, or for ever, or is full: what the
// guest notices, what the page says, and what the server has in the end.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { buildGrubDisk, greeting } from "../guest/grub.js";
import { Shell, buildLinuxDisk, missingForLinux } from "../guest/linux.js";
import { inEachBrowser, until } from "./browsers.js";
import { Lab, pattern } from "./lab.js";
import { missingPackages } from "./needs.js";
import { Path, restart } from "./path.js";
import { run } from "./processes.js";
import { shots } from "./shots.js";
import { Console } from "./vm-console.js";
import { click, fill, phase, say, serveVm, shows } from "./vm-page.js";

/** @typedef {import("puppeteer-core").Page} Page */

const MiB = 1 << 20;
/** Where Linux's partition begins and ends, in bytes. */
const partition = { from: MiB, to: 48 * MiB };
/** Behind it is the pattern, in two parts that no boot reads. */
const part = 40 * MiB;
/** NBD requests that a boot may take. */
const budget = 60;
/** Milliseconds for what takes seconds on a machine that has nothing else to do. */
const patience = 240_000;

const skip = missingPackages(await missingForLinux());

/** What Linux says of a disk that failed it; of its clock and of a processor that stood still it may say more. */
const complaint = /\bata\d|I\/O error|EXT4-fs (error|warning)|Buffer I\/O|critical|exception|offline|hung task|blocked for more/i;

/** @param {Uint8Array} bytes */
const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");

inEachBrowser("outages of the machine's page", ({ page: openPage, name: browser }) => {
  /** @type {Lab} */ let lab;
  /** @type {Awaited<ReturnType<typeof serveVm>>} */ let site;
  /** @type {Awaited<ReturnType<Lab["pki"]>>} */ let pki;
  /** @type {string} */ let linux;
  /** @type {Path[]} */ const paths = [];
  /** @type {string[]} */ let complaints = [];

  before(async () => {
    lab = await Lab.create();
    site = await serveVm(lab);
    pki = await lab.pki("pki");
    if (!skip) linux = await buildLinuxDisk(join(lab.dir, "linux.img"));
  });
  after(async () => {
    await Promise.all(paths.map(({ hole }) => hole.close()));
    await site.close();
    await lab.close();
  });

  /** A copy of the disk of Linux, with the pattern behind its partition. @param {string} name */
  async function linuxDisk(name) {
    return lab.disk(name, Buffer.concat([await readFile(linux), pattern(partition.to, 2 * part)]));
  }

  /**
   * nbdkit, a bridge, and a network between that and the page; and the form for it.
   * One thread: Debian 12's nbdkit may abort in others when a connection is reset.
   * @param {string} file @param {string[]} options
   */
  async function serve(file, ...options) {
    const path = await Path.through(lab, await lab.nbdkit(file, pki, "--threads=1", ...options), { page: `${site.origin}/` });
    paths.push(path);
    return { path, fields: { bridge: path.url.replace(/lab$/, ""), target: "lab", "server-name": pki.serverName, ca: pki.ca, cert: pki.cert, key: pki.key, memory: "64" } };
  }

  async function visit() {
    const page = await openPage(`${site.origin}/demo/vm/`);
    complaints = [];
    page.on("pageerror", (error) => {
      if (!/^Error: (Firefox can’t establish|The connection to .* was interrupted)/.test(String(error))) complaints.push(String(error)); // that tells of each WebSocket
    });
    await until(page, () => Boolean(document.getElementById("open")));
    return page;
  }

  /** Boots Linux to its shell. @param {Page} page @param {Record<string, string>} fields */
  async function boot(page, fields) {
    await fill(page, fields);
    await click(page, "open");
    await phase(page, "running", patience);
    const shell = new Shell(new Console(page));
    await shell.ready(patience);
    return shell;
  }

  /** @param {Shell} shell @param {string} command @returns {Promise<string>} what it says */
  async function good(shell, command) {
    const { output, status } = await shell.run(command, patience);
    assert.equal(status, 0, `${command}: ${output}`);
    return output;
  }

  /** Boots GRUB until it asks for a word. @param {Page} page @param {Record<string, string>} fields */
  async function bootGrub(page, fields) {
    await fill(page, fields);
    await click(page, "open");
    await shows(page, "#serial-log", new RegExp(`${greeting}[^]*word\\?`), patience);
  }

  /** @param {Page} page */
  const requests = (page) => page.$eval("#stat-requests", (e) => Number((e.textContent ?? "").replace(/\D/g, "")));

  /**
   * Reads a part of the disk in the guest, fails in the midst of it, and mends
   * that so much later. The guest has all bytes, and notices nothing of the disk.
   * @param {{page: Page, shell: Shell}} guest
   * @param {{part: number, lasts: number, fail: () => Promise<void> | void, mend: () => Promise<void> | void}} outage
   */
  async function readThrough({ page, shell }, { part: n, lasts, fail, mend }) {
    const before = await good(shell, "dmesg"), from = partition.to + n * part, sent = await requests(page);
    await good(shell, "echo 3 >/proc/sys/vm/drop_caches");
    const reading = shell.run(`(set -o pipefail; dd if=/dev/sda bs=128k skip=${from >> 17} count=${part >> 17} | sha256sum)`, patience);
    reading.catch(() => {}); // told below
    while (await requests(page) < sent + 3) await delay(25);
    const began = Date.now();
    await fail();
    await shows(page, "#outage", /The machine is paused until it is back, and loses nothing\./, 60_000);
    await delay(began + lasts - Date.now()); // the length of the outage is what is tested
    const banner = await page.$eval("#outage", (e) => /** @type {HTMLElement} */ (e).innerText);
    await mend();
    const { output, status } = await reading;
    assert.equal(status, 0, output);
    assert.match(output, new RegExp(sha256(pattern(from, part))));
    await until(page, () => document.getElementById("outage")?.classList.contains("idle"));
    const news = (await good(shell, "dmesg")).replace(before, "");
    assert.doesNotMatch(news, complaint);
    return { banner, news };
  }

  // Two minutes of waiting, once: what browsers do of it, outages.test.js has in each.
  if (browser === "chromium") test("Linux boots in few requests, and reads on after 20 and after 45 seconds without its disk", { skip }, async (t) => {
    const file = await linuxDisk("keep.img"), digest = sha256(await readFile(file));
    const { path, fields } = await serve(file);
    const page = await visit();
    const shell = await boot(page, fields);
    const count = await requests(page);
    t.diagnostic(`${count} NBD requests`);
    assert.ok(count > 0 && count <= budget, `${count} NBD requests`);
    const cut = await readThrough({ page, shell }, { part: 0, lasts: 20_000, fail: () => path.bridge.kill(), mend: () => restart(path.bridge, 0) });
    assert.match(cut.banner, /The connection is lost\.[^]*attempt \d+/i);
    const held = await readThrough({ page, shell }, {
      part: 1, lasts: 45_000, fail: () => path.hole.hold(),
      async mend() {
        await shots(page, `vm-outage-${browser}`, { whole: false });
        path.hole.reset();
      },
    });
    for (const { news } of [cut, held]) t.diagnostic(`${/soft lockup.*/.exec(news) ?? "no soft lockup"}`);
    assert.match(await good(shell, "sha256sum -c test.sha256"), /test\.bin: OK/);
    await phase(page, "running");
    assert.deepEqual(complaints, []);
    await page.close();
    assert.equal(sha256(await readFile(file)), digest, "the export was changed");
  });

  test("what Linux writes through is in the server's file, also past an outage", { skip }, async () => {
    const file = await linuxDisk("through.img");
    const { path, fields } = await serve(file);
    const before = await readFile(file);
    const page = await visit();
    const shell = await boot(page, { ...fields, writes: "through" });
    await good(shell, "echo far away >note; sync");
    const writing = good(shell, "dd if=/dev/urandom of=new.bin bs=64k count=48 2>/dev/null && sync && sha256sum new.bin");
    writing.catch(() => {}); // told below
    await until(page, () => /MiB/.test(document.getElementById("stat-written")?.textContent ?? ""));
    await restart(path.bridge, 3000);
    const [sum] = /[0-9a-f]{64}/.exec(await writing) ?? [];
    assert.doesNotMatch(await good(shell, "dmesg"), /I\/O error|EXT4-fs error/);
    await say(page, "poweroff");
    await shows(page, "#machine-status", /has shut down/, patience);
    await click(page, "power-off");
    await phase(page, "off");
    assert.deepEqual(complaints, []);
    await page.close();
    const now = await readFile(file);
    for (const [from, to] of [[0, partition.from], [partition.to, before.length]]) assert.ok(before.subarray(from, to).equals(now.subarray(from, to)), `bytes ${from} to ${to} were changed`);
    const volume = await lab.disk("volume.img", now.subarray(partition.from, partition.to));
    assert.equal((await run("debugfs", ["-R", "cat /root/note", volume])).stdout, "far away\n");
    await run("debugfs", ["-R", `dump /root/new.bin ${join(lab.dir, "new.bin")}`, volume]);
    assert.equal(sha256(await readFile(join(lab.dir, "new.bin"))), sum);
    await run("e2fsck", ["-f", "-n", volume]); // it fails if anything is wrong
  });

  /** Has the client give up sooner than after its two minutes. @param {Page} page */
  async function impatient(page) {
    await page.evaluate(() => {
      const { postMessage } = Worker.prototype;
      const sooner = (/** @type {any} */ value) => {
        if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return;
        if ("giveUpAfter" in value) value.giveUpAfter = 5000;
        for (const each of Object.values(value)) sooner(each);
      };
      Worker.prototype.postMessage = function (/** @type {any} */ message, /** @type {any} */ ...rest) {
        sooner(message);
        return Reflect.apply(postMessage, this, [message, ...rest]);
      };
    });
  }

  test("a server that never comes back ends the machine, and its changes are kept", { skip }, async () => {
    const { path, fields } = await serve(await buildGrubDisk(join(lab.dir, "gone.img")));
    const page = await visit();
    await impatient(page);
    await bootGrub(page, fields);
    await say(page, "abc");
    await shows(page, "#serial-log", /saved: abc\./);
    await path.server.kill();
    await shows(page, "#outage", /The connection is lost\./);
    await shows(page, "#alert", /The connection was lost, and the machine with it\. (TARGET_UNREACHABLE|BRIDGE_UNREACHABLE|TIMEOUT)[^]*gave up after/, 60_000);
    await phase(page, "off");
    await shots(page, `vm-gone-${browser}`, { whole: false });
    assert.equal(await page.$("#outage"), null);
    await click(page, "start"); // in vain, and it is told
    await shows(page, "#alert", /could not be started\. (TARGET_UNREACHABLE|BRIDGE_UNREACHABLE|TIMEOUT)/, 60_000);
    Object.assign(path.server, await path.server.again());
    await click(page, "start");
    await shows(page, "#serial-log", /remembered: abc\./, patience);
    assert.deepEqual(complaints, []);
    await page.close();
  });

  test("a machine does not run in an outage, whatever is pressed; powered off, it tells what it has not written", { skip }, async () => {
    const file = await buildGrubDisk(join(lab.dir, "pressed.img"));
    const { path, fields } = await serve(file);
    const page = await visit();
    await bootGrub(page, { ...fields, writes: "through" });
    path.hole.hold();
    await say(page, "abc");
    await shows(page, "#outage", /The machine is paused until it is back/, 60_000);
    await click(page, "pause");
    await phase(page, "paused");
    await click(page, "pause");
    await phase(page, "running");
    const seen = await page.$eval("#serial-log", (e) => e.textContent);
    await say(page, "xyz"); // GRUB would answer
    await delay(3000); // it would within that
    assert.equal(await page.$eval("#serial-log", (e) => e.textContent), seen);
    await click(page, "power-off");
    await shows(page, "#alert", /Not all that the machine wrote was saved\. TIMEOUT\s+The disk was closed before all was written/, 60_000);
    await phase(page, "off");
    path.hole.reset();
    await click(page, "start");
    await phase(page, "running", patience);
    await shows(page, "#serial-log", /word\?/, patience);
    assert.deepEqual(complaints, []);
    await page.close();
  });

  test("a server that is full stops a machine that writes through", { skip }, async () => {
    const file = await buildGrubDisk(join(lab.dir, "full.img")), full = join(lab.dir, "full");
    const { fields } = await serve(file, "--filter=error", "error-pwrite=ENOSPC", "error-pwrite-rate=100%", `error-file=${full}`);
    const page = await visit();
    await bootGrub(page, { ...fields, writes: "through" });
    const before = await readFile(file);
    await writeFile(full, "");
    await say(page, "abc");
    await shows(page, "#alert", /The machine was stopped\. ENOSPC/, 60_000);
    await phase(page, "failed");
    await shots(page, `vm-full-${browser}`, { whole: false });
    assert.ok(before.equals(await readFile(file)));
    await click(page, "power-off");
    await shows(page, "#alert", /Not all that the machine wrote was saved\. ENOSPC/, 60_000);
    await phase(page, "off");
    await click(page, "start");
    await phase(page, "running", patience);
    await shows(page, "#serial-log", /word\?/, patience);
    await say(page, "abc");
    await phase(page, "failed", 60_000);
    await rm(full);
    await click(page, "restart"); // writes what could not be written
    await shows(page, "#serial-log", /remembered: abc\./, patience);
    await phase(page, "running");
    assert.equal(await page.$eval("#alert", (e) => /** @type {HTMLElement} */ (e).innerText), "");
    assert.ok((await readFile(file)).includes("word=abc\n"));
    assert.deepEqual(complaints, []);
    await page.close();
  });
});
