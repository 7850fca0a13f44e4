// Disks acquired by the page, from nbdkit with TLS through the bridge: images
// and logs as other tools see them, whatever ends in between.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { AcquirePage, downloads, prefs, removeDownloads } from "./acquire-page.js";
import { inEachBrowser } from "./browsers.js";
import { Lab } from "./lab.js";
import { run } from "./processes.js";
import { shots } from "./shots.js";

const MiB = 1 << 20;
/** Random bytes, zeros, and an end that is no whole piece. */
const content = Buffer.concat([randomBytes(9 * MiB), Buffer.alloc(6 * MiB), randomBytes(5 * MiB + 700)]);

after(removeDownloads);

inEachBrowser("acquisitions", ({ page: openPage, name: browser }) => {
  /** @type {Lab} */ let lab;
  /** @type {Awaited<ReturnType<Lab["pki"]>>} */ let pki;
  /** @type {Awaited<ReturnType<Lab["bridge"]>>} */ let bridge;
  /** @type {string} */ let disk;

  before(async () => {
    lab = await Lab.create();
    pki = await lab.pki("pki");
    disk = await lab.disk("disk.img", content);
    const plain = await lab.nbdkit(disk, pki, "--readonly");
    bridge = await lab.bridge({ plain: plain.target });
  });
  after(() => lab?.close());

  /** @param {string} target */
  async function visit(target, how = {}) {
    const tab = await AcquirePage.open(openPage, bridge.page, how);
    await tab.connect(target, pki);
    return tab;
  }

  /** @param {string} a @param {string} b */
  const cmp = (a, b) => run("cmp", [a, b]);
  /** @param {string} program such as "sha256sum" @param {string} file */
  const sumOf = async (program, file) => (await run(program, [file])).stdout.split(" ")[0];

  test("raw, with all hashes and both passes", async () => {
    const tab = await visit("plain");
    await tab.page.click("#tab-acquire");
    await shots(tab.page, `acquire-form-${browser}`);
    const name = `raw-${browser}.img`;
    await tab.acquire({ "acquire-name": name, "case-number": "2026/17" }, ["sha256", "md5", "sha1", "sha512"]);
    await tab.complete();
    await shots(tab.page, `acquire-done-${browser}`);
    const image = await tab.save("#save-image", name);
    await cmp(image, disk);
    tab.quiet();
    await tab.page.close();
  });
}, { prefs });
