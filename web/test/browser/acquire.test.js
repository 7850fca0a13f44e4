// Acquisitions of a foreign server's disk into the browser's own storage, over
// TLS and through a bridge: what is read back is the disk, whatever happened.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { open, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { inEachBrowser } from "./browsers.js";
import { serveWithBadSector } from "./inspect-disk.js";
import { Lab, pattern } from "./lab.js";
import { restart } from "./path.js";
import { run } from "./processes.js";

const MiB = 1 << 20;
const size = 64 * MiB + 512;
/** What of the disk is no hole: texts that compress, and noise that does not. */
const parts = /** @type {[number, Buffer][]} */ ([[0, pattern(0, 6 * MiB + 512)], [30 * MiB + 4096, randomBytes(6 * MiB)], [50 * MiB, pattern(50 * MiB, 64 << 10)], [size - MiB, randomBytes(MiB)]]);
const dataBytes = parts.reduce((sum, [, bytes]) => sum + bytes.length, 0);

/** @param {string} file */
async function makeDisk(file) {
  const handle = await open(file, "w+");
  await handle.truncate(size);
  for (const [offset, bytes] of parts) await handle.write(bytes, 0, bytes.length, offset);
  await handle.close();
  return file;
}

/** Runs in the page: what the tests share. */
async function prepare(/** @type {any} */ options) {
  const { open } = await import(/** @type {any} */ ("/client/index.js"));
  const { Device } = await import(/** @type {any} */ ("/client/device.js"));
  const { acquire, imageOf, pass, storedSink, textOf } = await import(/** @type {any} */ ("/client/evidence/index.js"));
  const { opfsFolder } = await import(/** @type {any} */ ("/client/storage/opfs.js"));
  const page = /** @type {any} */ (globalThis);
  const text = async (/** @type {any} */ file) => new TextDecoder().decode(await file.read(0, await file.size()));
  const keep = async (/** @type {any} */ file, /** @type {any} */ value) => {
    await file.truncate(0);
    await file.write(0, new TextEncoder().encode(JSON.stringify(value)));
    await file.flush();
  };
  /** Acquires until the end, or until so much is done. */
  const run = async (/** @type {string} */ url, /** @type {string} */ id, /** @type {any} */ { resume, stopAt = Infinity, ...choices } = {}, hear = { state() {}, progress(/** @type {any} */ _) {} }) => {
    const disk = await open(url, options);
    const folder = await opfsFolder("acquisition", id);
    const [image, state] = await Promise.all(["image", "state"].map((name) => folder.open(name)));
    const controller = new AbortController();
    try {
      const log = await acquire(disk, storedSink(image), {
        ...choices, signal: controller.signal, ...(resume && { from: JSON.parse(await text(state)) }),
        facts: resume ? undefined : { case: { examiner: "the lab" }, source: { export: disk.exportName, size: disk.size, readOnly: disk.readOnly } },
        onState: async (/** @type {any} */ s) => {
          await keep(state, s);
          hear.state();
        },
        onProgress(/** @type {any} */ p) {
          hear.progress(p);
          if (p.done >= stopAt) controller.abort("enough");
        },
      });
      return { log, read: disk.stats().bytesRead };
    } catch (/** @type {any} */ error) {
      return { reason: error?.code ?? String(error), message: error?.message, state: JSON.parse(await text(state)), file: await image.size() };
    } finally {
      await Promise.all([folder.close(), disk.close()]);
    }
  };
  /** Reads an image back: its hash as a disk, and as a file. */
  const readBack = async (/** @type {string} */ id, /** @type {string} */ format, /** @type {any[]} */ zeros) => {
    const folder = await opfsFolder("acquisition", id);
    const image = await folder.open("image");
    const length = await image.size();
    const file = new Device({ size: length, blockSize: { minimum: 1, preferred: 1 << 20, maximumPayload: 1 << 25 }, read: (/** @type {number} */ at, /** @type {number} */ n) => image.read(at, n) });
    const disk = await imageOf(format, file);
    const { sha256 } = await pass(disk, ["sha256"], { zeros });
    await disk.close();
    const bytes = await image.read(0, length);
    await folder.close();
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
    return { sha256, length, size: disk.size, file: [...digest].map((b) => b.toString(16).padStart(2, "0")).join("") };
  };
  /** The bytes of an image, for programs that are no browser. */
  const bytesOf = async (/** @type {string} */ id) => {
    const folder = await opfsFolder("acquisition", id);
    const image = await folder.open("image");
    const blob = new Blob([await image.read(0, await image.size())]);
    await folder.close();
    const reader = new FileReader();
    return new Promise((resolve) => {
      reader.onload = () => resolve(reader.result);
      reader.readAsDataURL(blob);
    });
  };
  /** Begins to acquire; fulfils at the first state, or when so much is done. */
  const begin = (/** @type {string} */ url, /** @type {string} */ id, /** @type {any} */ choices, done = Infinity) => new Promise((resolve) => {
    page.outcome = run(url, id, choices, { state: () => resolve("a state"), progress: (/** @type {any} */ p) => void (p.done > done && resolve("much")) });
    page.outcome.then(resolve, resolve);
  });
  Object.assign(page, { run, begin, readBack, bytesOf, textOf });
}

inEachBrowser("acquisitions", ({ page: openPage, name: browser }) => {
  /** @type {Lab} */ let lab;
  let source = "", sum = "";
  /** @type {import("puppeteer-core").Page} */ let page;
  /** @type {Awaited<ReturnType<Lab["bridge"]>>} */ let bridge;
  /** @type {Awaited<ReturnType<Lab["nbdkit"]>>} */ let slow;
  /** @type {any} */ let options;
  before(async () => {
    lab = await Lab.create();
    const pki = await lab.pki(browser);
    source = await makeDisk(join(lab.dir, "source.img"));
    sum = (await run("sha256sum", [source])).stdout.split(" ")[0];
    slow = await lab.nbdkit(source, pki, "--readonly", "--filter=rate", "rate=8M");
    const failing = await lab.nbdkit(source, pki, "--readonly", "--filter=error", "error-pread=EIO", "error-pread-rate=50%");
    const bad = await serveWithBadSector(lab, source, 5000, pki);
    bridge = await lab.bridge({ plain: (await lab.nbdkit(source, pki, "--readonly")).target, slow: slow.target, failing: failing.target, bad: bad.target });
    options = { tls: { ca: pki.ca, serverName: pki.serverName, cert: pki.cert, key: pki.key } };
    page = await openPage(bridge.page);
    await page.evaluate(prepare, options);
  });
  after(() => lab.close());

  /** @param {string} target @param {string} id @param {any} [choices] @returns {Promise<any>} */
  const acquired = (target, id, choices = {}) => page.evaluate((url, id, choices) => /** @type {any} */ (globalThis).run(url, id, choices), bridge.url(target), id, choices);
  /** @param {any} outcome @returns {any} what there is of one that went well */
  const complete = (outcome) => (assert.ok(outcome.log, JSON.stringify(outcome)), outcome);
  /** @param {string} id @param {string} [format] @param {any[]} [zeros] @returns {Promise<any>} */
  const readBack = (id, format = "raw", zeros = []) => page.evaluate((...args) => /** @type {any} */ (globalThis).readBack(...args), id, format, zeros);

  test("a pass skips what is told as zeros, or not", async () => {
    const sums = await page.evaluate(async () => {
      const { Device } = await import(/** @type {any} */ ("/client/device.js"));
      const { pass } = await import(/** @type {any} */ ("/client/evidence/index.js"));
      const size = 1 << 20;
      const liar = () => new Device({
        size, blockSize: { minimum: 1, preferred: 1 << 20, maximumPayload: 1 << 25 },
        read: async (/** @type {number} */ _, /** @type {number} */ n) => new Uint8Array(n).fill(7),
        blockStatus: async (/** @type {number} */ offset, /** @type {number} */ length) => [{ offset, length, type: "hole" }],
      });
      return Promise.all([true, false].map(async (skipHoles) => (await pass(liar(), ["md5"], { skipHoles })).md5));
    });
    assert.deepEqual(sums, [0, 7].map((byte) => createHash("md5").update(Buffer.alloc(1 << 20, byte)).digest("hex")));
  });

  for (const format of ["raw", "zstd"]) {
    test(`a disk becomes a ${format} image, without its holes`, async () => {
      const { log, read } = complete(await acquired("plain", `whole ${format}`, { format, hashes: ["md5", "sha256"] }));
      assert.equal(log.status, "complete");
      assert.deepEqual(log.hashes, { md5: (await run("md5sum", [source])).stdout.split(" ")[0], sha256: sum });
      assert.ok(read < dataBytes + MiB, `${read} bytes read`);
      assert.deepEqual([log.transferred + log.blockStatus.skipped, log.errors, log.zeroFilled], [size, [], []]);
      const back = await readBack(`whole ${format}`, format);
      assert.deepEqual([back.size, back.sha256, back.length], [size, sum, log.image.size]);
      if (format === "raw") assert.equal(back.file, sum);
      assert.match(await page.evaluate((log) => /** @type {any} */ (globalThis).textOf(log), log), new RegExp(sum));
    });
  }

  test("a zstd image is one for zstd", async () => {
    const url = /** @type {string} */ (await page.evaluate((id) => /** @type {any} */ (globalThis).bytesOf(id), "whole zstd"));
    const file = join(lab.dir, "image.zst");
    await writeFile(file, Buffer.from(url.slice(url.indexOf(",") + 1), "base64"));
    await run("zstd", ["-q", "-t", file]);
    await run("zstd", ["-q", "-d", "-f", file, "-o", join(lab.dir, "unpacked.img")]);
    await run("cmp", [source, join(lab.dir, "unpacked.img")]);
  });

  test("reads that fail now and then are made again", async () => {
    const { log } = complete(await acquired("failing", "failing", { retries: 40 }));
    assert.ok(log.errors.length > 0);
    assert.ok(log.errors.every((/** @type {any} */ e) => e.attempts > 0 && e.zeroFilled === 0), JSON.stringify(log.errors));
    assert.deepEqual([log.zeroFilled, log.hashes.sha256], [[], sum]);
    assert.equal((await readBack("failing")).file, sum);
  });

  test("a bad sector becomes zeros, and the log says where", async () => {
    const { log } = complete(await acquired("bad", "bad", { retries: 1, smallest: 512 }));
    const lost = { offset: 5000 * 512, length: 512 };
    assert.deepEqual(log.zeroFilled, [lost]);
    assert.equal(log.errors.reduce((/** @type {number} */ sum, /** @type {any} */ e) => sum + e.zeroFilled, 0), 512);
    const want = (await readFile(source)).fill(0, lost.offset, lost.offset + lost.length);
    const wanted = createHash("sha256").update(want).digest("hex");
    assert.equal(log.hashes.sha256, wanted);
    assert.deepEqual([(await readBack("bad")).file, (await readBack("bad", "raw", log.zeroFilled)).sha256], [wanted, wanted]);
  });

  test("one that is stopped goes on in another page", async () => {
    const { reason, state, file } = await acquired("slow", "stopped", { stopAt: 2 * MiB });
    assert.equal(reason, "enough");
    assert.ok(state.offset >= 2 * MiB && state.offset < size && file >= state.image.file, `stopped at ${state.offset}, the file has ${file}`);
    assert.deepEqual([state.log.status, state.log.sessions.length], ["paused", 1]);
    await page.reload();
    await page.evaluate(prepare, options);
    const { log } = complete(await acquired("plain", "stopped", { resume: true }));
    assert.deepEqual([log.hashes.sha256, log.sessions.length, log.sessions[1].from], [sum, 2, state.offset]);
    assert.equal((await readBack("stopped")).file, sum);
  });

  test("one whose page is closed goes on from the last state", async () => {
    const came = await page.evaluate((url) => /** @type {any} */ (globalThis).begin(url, "closed", { format: "zstd", hashes: ["sha1", "sha256"] }), bridge.url("slow"));
    assert.equal(came, "a state");
    await page.reload();
    await page.evaluate(prepare, options);
    const { log } = complete(await acquired("plain", "closed", { resume: true }));
    assert.equal(log.hashes.sha256, sum);
    assert.equal(log.hashes.sha1, (await run("sha1sum", [source])).stdout.split(" ")[0]);
    assert.deepEqual(log.sessions.map((/** @type {any} */ s) => !!s.end), [false, true]);
    assert.equal((await readBack("closed", "zstd")).sha256, sum);
  });

  test("a server that is killed and comes back is waited for", async () => {
    const came = await page.evaluate((url, done) => /** @type {any} */ (globalThis).begin(url, "killed", {}, done), bridge.url("slow"), MiB);
    assert.equal(came, "much");
    await restart(slow, 500);
    const { log } = complete(await page.evaluate(() => /** @type {any} */ (globalThis).outcome));
    assert.deepEqual([log.hashes.sha256, log.errors], [sum, []]);
    assert.equal((await readBack("killed")).file, sum);
  });
});
