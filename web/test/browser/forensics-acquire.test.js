// Disks acquired by the page, from nbdkit with TLS through the bridge: images
// and logs as other tools see them, whatever ends in between.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { readFile, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { AcquirePage, downloads, prefs, removeDownloads } from "./acquire-page.js";
import { inEachBrowser, until } from "./browsers.js";
import { serveWithBadSector } from "./inspect-disk.js";
import { Lab } from "./lab.js";
import { longestTask } from "./maintasks.js";
import { run } from "./processes.js";
import { shots } from "./shots.js";

const MiB = 1 << 20;
/** Random bytes, zeros, and an end that is no whole piece. */
const content = Buffer.concat([randomBytes(9 * MiB), Buffer.alloc(6 * MiB), randomBytes(5 * MiB + 700)]);
/** A sector that can't be read, and the reads that meet it. */
const badSector = 5001;

after(removeDownloads);

/** Runs in the page: whether a state is kept of an acquisition. */
const hasState = async (/** @type {string} */ name) => {
  const { listKept } = await import(/** @type {any} */ ("/demo/forensics/acquire/store.js"));
  return (await listKept()).some((/** @type {any} */ { about }) => about?.name === name && about.done > 0);
};

inEachBrowser("acquisitions", ({ page: openPage, name: browser }) => {
  /** @type {Lab} */ let lab;
  /** @type {Awaited<ReturnType<Lab["pki"]>>} */ let pki;
  /** @type {Awaited<ReturnType<Lab["bridge"]>>} */ let bridge;
  /** @type {Awaited<ReturnType<Lab["nbdkit"]>>} */ let slow;
  /** @type {string} */ let disk;
  const failing = () => join(lab.dir, "failing");
  const reads = () => join(lab.dir, "reads.log");
  const speed = () => join(lab.dir, "speed");
  /** How fast the slow target is from now on. @param {"4M" | "16M" | "1G"} bits a second */
  const allow = (bits) => writeFile(speed(), bits);

  before(async () => {
    lab = await Lab.create();
    pki = await lab.pki("pki");
    disk = await lab.disk("disk.img", content);
    const sparse = await lab.disk("sparse.img", content.subarray(0, MiB));
    await truncate(sparse, 2 ** 29);
    const [plain, far, bad, parted, flaky] = await Promise.all([
      lab.nbdkit(disk, pki, "--readonly"),
      lab.nbdkit(sparse, pki, "--readonly", "--filter=log", `logfile=${reads()}`),
      serveWithBadSector(lab, await lab.disk("bad.img", content.subarray(0, 4 * MiB)), badSector, pki),
      lab.nbdkit(await lab.disk("parted.img", withPartition(content.subarray(0, 4 * MiB))), pki, "--readonly"),
      lab.nbdkit(disk, pki, "--readonly", "--filter=error", "error-pread=EIO", "error-pread-rate=50%", `error-pread-file=${failing()}`),
    ]);
    await allow("1G");
    slow = await lab.nbdkit(disk, pki, "--readonly", "--filter=rate", "rate=1G", `rate-file=${speed()}`);
    bridge = await lab.bridge({ plain: plain.target, slow: slow.target, sparse: far.target, bad: bad.target, parted: parted.target, flaky: flaky.target });
  });
  after(() => lab?.close());

  /** @param {string} target @param {{picker?: boolean}} [how] */
  async function visit(target, how) {
    const tab = await AcquirePage.open(openPage, bridge.page, how);
    await tab.connect(target, pki);
    return tab;
  }

  /** @param {string} a @param {string} b */
  const cmp = (a, b) => run("cmp", [a, b]);
  /** @param {string} program such as "sha256sum" @param {string} file */
  const sumOf = async (program, file) => (await run(program, [file])).stdout.split(" ")[0];

  /** Lets the rest come, saves the whole image, holds it to the disk, and ends. @param {AcquirePage} tab @param {string} name */
  async function isEqual(tab, name) {
    await allow("1G");
    await tab.complete();
    const log = await tab.log(name);
    await cmp(await tab.save("#save-image", name), disk);
    assert.equal(log.hashes.sha256, createHash("sha256").update(content).digest("hex"));
    assert.deepEqual([log.status, log.errors, log.zeroFilled], ["complete", [], []]);
    await tab.discard(name);
    return log;
  }

  /** Does something that holds up the page's main thread nowhere; only Chromium tells. @param {AcquirePage} tab @param {() => Promise<void>} work */
  async function isSmooth(tab, work) {
    const longest = browser === "chromium" ? await longestTask(tab.page, work) : (await work(), 0);
    assert.ok(longest < 50, `a task of ${longest} ms`);
  }

  test("raw, with all hashes, both passes, and a signature", async () => {
    const tab = await visit("plain");
    await tab.page.click("#tab-acquire");
    await shots(tab.page, `acquire-form-${browser}`);
    const name = `raw-${browser}.img`;
    await tab.page.evaluate(() => { for (const box of /** @type {NodeListOf<HTMLInputElement>} */ (document.querySelectorAll("#acquire-passes input"))) box.checked = true; });
    await tab.acquire({ "acquire-name": name, "case-number": "2026/17", "case-examiner": "<b>E. Xaminer</b>" }, ["sha256", "md5", "sha1", "sha512"]);
    await tab.shows("#result-body", /SHA-512\s+[0-9a-f]{128}\s+the same\s+the same/);
    await tab.page.click("#key summary");
    await tab.page.click("#key-make");
    await tab.shows("#key-facts", /[0-9a-f]{64}/);
    await tab.page.click("#log-box summary");
    await tab.shows("#log-text", /2026\/17/);
    await shots(tab.page, `acquire-done-${browser}`);

    const image = await tab.save("#save-image", name);
    await cmp(image, disk);
    const log = await tab.log(name);
    for (const hash of ["sha256", "md5", "sha1", "sha512"]) assert.equal(log.hashes[hash], await sumOf(`${hash}sum`, image));
    await hasFacts(log);
    assert.deepEqual(log.passes.map((/** @type {any} */ { of, equal }) => [of, equal]), [["image", true], ["export", true]]);
    assert.match(await readFile(await tab.save("#save-text", `${name}.log.txt`), "utf8"), new RegExp(log.hashes.sha512));
    await isSigned(tab, name, log);
    tab.quiet();
    await tab.discard(name);
  });

  /** @param {any} log of a whole acquisition of the plain target */
  async function hasFacts(log) {
    const { source, page, sessions, tool } = log;
    assert.deepEqual([source.bridge, source.target, source.size, source.offset, source.length, source.readOnly], [bridge.url(""), "plain", content.length, 0, content.length, true]);
    assert.deepEqual([log.case.number, log.case.examiner, page.origin, page.url], ["2026/17", "<b>E. Xaminer</b>", new URL(bridge.page).origin, `${bridge.page}forensics/`]);
    assert.match(tool.platform, /Mozilla/);
    const [{ connection }] = sessions;
    const pin = (await run("sh", ["-c", `openssl x509 -in ${pki.dir}/server-cert.pem -outform der | sha256sum`])).stdout.slice(0, 64);
    assert.deepEqual([sessions.length, connection.encrypted, connection.serverName, connection.certificate], [1, true, "nbd.lab", pin]);
    for (const path of ["/client/acquire.wasm", "/client/nbd.wasm", "/client/worker.js", "/client/storage/worker.js", "/demo/forensics/acquire/index.js"]) {
      const file = new URL(`../..${path}`, import.meta.url).pathname;
      assert.equal(page.files.find((/** @type {any} */ f) => f.path === path)?.sha256, await sumOf("sha256sum", file), path);
    }
    const lines = page.files.map((/** @type {any} */ f) => `${f.sha256}  ${f.path}\n`).join("");
    assert.equal(page.sha256, createHash("sha256").update(lines).digest("hex"));
  }

  /** @param {AcquirePage} tab @param {string} name @param {any} log */
  async function isSigned(tab, name, log) {
    const signature = await tab.save("#save-signature", `${name}.log.json.sig`);
    const key = await tab.save("#key-public", "examiner.pem");
    assert.equal(log.signer.publicKey, await readFile(key, "utf8"));
    const verify = (/** @type {string} */ file) => run("openssl", ["dgst", "-sha256", "-verify", key, "-signature", signature, file]);
    const file = join(downloads, `${name}.log.json`);
    assert.match((await verify(file)).stdout, /Verified OK/);
    await writeFile(`${file}.changed`, (await readFile(file, "utf8")).replace("2026/17", "2026/18"));
    await assert.rejects(verify(`${file}.changed`));
  }

  test("in Zstandard", async () => {
    const tab = await visit("plain");
    const name = `disk-${browser}.img.zst`;
    await isSmooth(tab, async () => {
      await tab.acquire({ "acquire-zstd": true, "acquire-name": name });
      await tab.complete();
      await tab.page.click("#pass-image");
      await tab.shows("#result-body", /the same\s+not read/);
    });
    const image = await tab.save("#save-image", name);
    await run("zstd", ["-t", image]);
    await run("sh", ["-c", `zstd -dc '${image}' | cmp - '${disk}'`]);
    await tab.discard(name);
  });

  test("512 MiB of holes with 1 MiB of data in them: no more is read", async () => {
    const tab = await visit("sparse");
    const before = readBytes(await readFile(reads(), "utf8"));
    const name = `sparse-${browser}.img.zst`;
    await tab.acquire({ "acquire-zstd": true, "acquire-name": name }, ["md5"]);
    await tab.complete();
    const log = await tab.log(name);
    assert.deepEqual([log.transferred, log.blockStatus.skipped], [MiB, 2 ** 29 - MiB]);
    assert.ok(readBytes(await readFile(reads(), "utf8")) - before < 3 * MiB, "the overview reads some too, and nobody the rest");
    const image = await tab.save("#save-image", name);
    await run("sh", ["-c", `zstd -dc '${image}' | cmp - '${join(lab.dir, "sparse.img")}'`]);
    assert.equal(log.hashes.md5, await sumOf("md5sum", join(lab.dir, "sparse.img")));
    await tab.discard(name);
  });

  test("a partition, chosen in the overview", async () => {
    const tab = await visit("parted");
    await tab.page.click('#parts button[aria-label^="Acquire: Partition 1"]');
    await tab.shows("#acquire-form", /./);
    const name = `part-${browser}.img`;
    assert.match(await tab.page.$eval("#acquire-name", (e) => /** @type {HTMLInputElement} */ (e).value), /^disk-Partition-1-\d{8}-\d{4}\.img$/);
    await tab.acquire({ "acquire-name": name });
    await tab.complete();
    const log = await tab.log(name);
    assert.deepEqual([log.source.offset, log.source.length, log.source.size], [MiB, 2 * MiB, 4 * MiB]);
    assert.ok(content.subarray(MiB, 3 * MiB).equals(await readFile(await tab.save("#save-image", name))));
    await tab.discard(name);
  });

  test("a bad sector is zeros in the image, and the log says exactly where", async () => {
    const tab = await visit("bad");
    const name = `bad-${browser}.img`;
    await tab.acquire({ "acquire-name": name, "acquire-smallest": "512", "acquire-retries": "1" });
    await tab.shows("#acquisition-status", /512 bytes could not be read/);
    await shots(tab.page, `acquire-errors-${browser}`);
    const log = await tab.log(name);
    const range = { offset: badSector * 512, length: 512 };
    assert.deepEqual(log.zeroFilled, [range]);
    assert.ok(log.errors.length > 0 && log.errors.every((/** @type {any} */ e) => e.offset <= range.offset && e.offset + e.length >= range.offset + 512), JSON.stringify(log.errors));
    const wanted = Buffer.from(content.subarray(0, 4 * MiB)).fill(0, range.offset, range.offset + 512);
    assert.ok(wanted.equals(await readFile(await tab.save("#save-image", name))));
    assert.equal(log.hashes.sha256, createHash("sha256").update(wanted).digest("hex"));
    await tab.discard(name);
  });

  test("half of all reads fail: the image is right, or the log says exactly where it is not", async () => {
    const tab = await visit("flaky");
    const name = `flaky-${browser}.img`;
    await writeFile(failing(), "");
    await tab.acquire({ "acquire-name": name, "acquire-smallest": "65536", "acquire-retries": "1" });
    await tab.complete();
    await rm(failing());
    const log = await tab.log(name);
    const wanted = Buffer.from(content);
    for (const { offset, length } of log.zeroFilled) wanted.fill(0, offset, offset + length);
    assert.ok(wanted.equals(await readFile(await tab.save("#save-image", name))));
    assert.ok(log.errors.length > 0);
    assert.equal(log.hashes.sha256, createHash("sha256").update(wanted).digest("hex"));
    await tab.discard(name);
  });

  test("straight into a file, with a pause, and no task of the page is long", async () => {
    const tab = await visit("slow", { picker: true });
    const name = `straight-${browser}.img`;
    await allow("16M");
    await isSmooth(tab, async () => {
      await tab.acquire({ "acquire-name": name, "acquire-file": true });
      await tab.has(2 * MiB);
    });
    await shots(tab.page, `acquire-running-${browser}`);
    await tab.page.click("#acquisition-pause");
    await tab.shows("#acquisition-status", /^Paused\.$/);
    await shots(tab.page, `acquire-paused-${browser}`);
    await allow("1G");
    await tab.page.click("#acquisition-go");
    await tab.complete();
    const sum = await tab.page.evaluate(async (file) => {
      const handle = await (await navigator.storage.getDirectory()).getFileHandle(file);
      const digest = await crypto.subtle.digest("SHA-256", await (await handle.getFile()).arrayBuffer());
      return [...new Uint8Array(digest)];
    }, name);
    assert.equal(Buffer.from(sum).toString("hex"), createHash("sha256").update(content).digest("hex"));
    tab.quiet();
    await tab.page.close({ runBeforeUnload: false });
  });

  // Only Chromium lets a test say how much room there is.
  if (browser === "chromium") test("a browser that has no more room says so, and goes on once it has", async () => {
    const tab = await visit("plain");
    const name = `full-${browser}.img`;
    const { origin } = new URL(bridge.page);
    const session = await tab.page.createCDPSession();
    const { usage } = await session.send("Storage.getUsageAndQuota", { origin });
    await session.send("Storage.overrideQuotaForOrigin", { origin, quotaSize: usage + 12 * MiB }); // estimate() does not tell
    await tab.acquire({ "acquire-name": name });
    await tab.shows("#acquisition-note", /^ENOSPC: .*the browser gives no more room/);
    await session.send("Storage.overrideQuotaForOrigin", { origin });
    await tab.page.click("#acquisition-go");
    await isEqual(tab, name);
  });

  test("a bridge that is killed and comes back: the log has the outage", async () => {
    const tab = await visit("slow");
    await allow("16M");
    await tab.acquire({ "acquire-name": `outage-${browser}.img` });
    await tab.has(2 * MiB);
    await bridge.kill();
    await tab.shows("#outage", /The connection is lost/);
    Object.assign(bridge, await bridge.again());
    const log = await isEqual(tab, `outage-${browser}.img`);
    assert.equal(log.sessions.length, 1);
    assert.equal(log.sessions[0].outages.length, 1);
    assert.ok(log.sessions[0].outages[0].end > log.sessions[0].outages[0].start);
  });

  test("a server that dies for good, and another one with another certificate", async () => {
    const tab = await visit("slow");
    await allow("16M");
    await tab.acquire({ "acquire-name": `moved-${browser}.img` });
    await tab.has(3 * MiB);
    await slow.kill();
    await tab.shows("#outage", /The connection is lost/);
    await tab.page.click("#disconnect");
    await tab.shows("#acquisition-status", /^Paused/);
    await tab.shows("#acquisition-note", /To go on, connect to the export without a name at ws:.*slow/);
    const other = await lab.pki("other");
    const port = slow.port;
    await lab.processes.start({ port, host: "127.0.0.1" }, "nbdkit", "--foreground", "--ipaddr=127.0.0.1", `--port=${port}`, "--tls=require", "--tls-verify-peer", `--tls-certificates=${other.dir}`, "--readonly", "--filter=rate", "file", disk, "rate=1G", `rate-file=${speed()}`);
    await tab.connect("slow", other);
    await tab.shows("#acquisition-note", /another certificate/);
    await tab.page.click("#acquisition-go");
    pki = other; // of that server from here on
    const log = await isEqual(tab, `moved-${browser}.img`);
    const [first, second] = log.sessions;
    assert.equal(log.sessions.length, 2);
    assert.deepEqual([second.from, second.to], [first.to, content.length]);
    assert.notEqual(first.connection.certificate, second.connection.certificate);
  });

  test("a tab that is closed: another sees it, and goes on", async () => {
    const tab = await visit("slow");
    await allow("4M");
    await tab.acquire({ "acquire-name": `closed-${browser}.img` });
    await until(tab.page, hasState, `closed-${browser}.img`);
    const next = await AcquirePage.open(openPage, bridge.page);
    await next.shows("#kept-rows", /closed-[^]*open in another tab/);
    assert.equal(await next.page.$eval("#kept-rows button", (b) => /** @type {HTMLButtonElement} */ (b).disabled), true);
    await shots(next.page, `acquire-list-${browser}`);
    await tab.page.close({ runBeforeUnload: false });
    await next.page.reload();
    await next.shows("#kept-rows", /closed-[^]* % done/);
    await next.connect("slow", pki);
    await next.page.click("#kept-rows button");
    const log = await isEqual(next, `closed-${browser}.img`);
    assert.deepEqual([log.sessions.length, log.sessions[0].end, log.sessions[1].from > 0], [2, undefined, true]);
  });
}, { prefs });

/** A disk with a partition of 2 MiB at 1 MiB. @param {Buffer} bytes */
function withPartition(bytes) {
  const disk = Buffer.from(bytes).fill(0, 446, 510);
  disk.set([0x55, 0xaa], 510);
  disk[450] = 0x83;
  disk.writeUInt32LE(MiB / 512, 454);
  disk.writeUInt32LE(2 * MiB / 512, 458);
  return disk;
}

/** Bytes that nbdkit's log tells as read. @param {string} log */
function readBytes(log) {
  return [...log.matchAll(/ Read .*count=(0x[0-9a-f]+)/g)].reduce((sum, [, count]) => sum + Number(count), 0);
}
