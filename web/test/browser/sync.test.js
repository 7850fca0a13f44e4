// Calls that wait: a Worker of an isolated page over shared memory, and one of
// any page over the Service Worker. 7-Zip is a program that Emscripten has
// compiled, and reads disk images: it stands for all such programs.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdir, open, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { inEachBrowser } from "./browsers.js";
import { Lab, diskSize, pattern } from "./lab.js";
import { run } from "./processes.js";
import { serveFolder } from "./site.js";

const web = fileURLToPath(new URL("../..", import.meta.url));
const folders = { client: `${web}client`, node_modules: `${web}node_modules` };
const isolation = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };
/** Bytes of a file on a disk with a file system, and where that disk is written. */
const fileSize = 3_000_001;
const spareAt = (8 << 20) - 4096;

/** Where the disk's last bytes are not the file system's. @param {Lab} lab */
async function ext4(lab) {
  const [files, image] = [join(lab.dir, "files"), join(lab.dir, "ext4.img")];
  await mkdir(join(files, "deep"), { recursive: true });
  await writeFile(join(files, "deep", "pattern.bin"), pattern(0, fileSize));
  await writeFile(join(files, "hello.txt"), "hello from an export\n");
  const path = `${process.env.PATH}:/usr/sbin:/sbin`;
  await run("mke2fs", ["-q", "-t", "ext4", "-O", "^has_journal", "-d", files, image, "8184k"], { env: { ...process.env, PATH: path } });
  const handle = await open(image, "r+");
  await handle.truncate(diskSize);
  await handle.close();
  return image;
}

/** Runs in the page: opens a disk, and starts a Worker that waits on it. */
async function start(/** @type {any} */ { url, options, how, timeout }) {
  const { open } = await import(/** @type {any} */ ("/client/index.js"));
  const { handleOf } = await import(/** @type {any} */ ("/client/handle.js"));
  const { serveViaServiceWorker } = await import(/** @type {any} */ ("/client/range/index.js"));
  const disk = await open(url, options);
  const source = how === "memory" ? handleOf(disk) : { url: (await serveViaServiceWorker(disk, { script: "/sw.js" })).url };
  const worker = new Worker("/waiter.js", { type: "module" });
  const step = (/** @type {string} */ name, /** @type {any[]} */ ...args) => new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => data.error === undefined ? resolve(data.result) : reject(new Error(data.error));
    worker.onerror = (event) => reject(new Error(`the Worker failed: ${event.message}`));
    worker.postMessage({ step: name, args }, args.filter((a) => a instanceof MessagePort));
  });
  Object.assign(globalThis, { disk, step });
  return step("open", source, { timeout });
}

/** Runs in the page. */
const step = (/** @type {string} */ name, /** @type {any[]} */ ...args) => /** @type {any} */ (globalThis).step(name, ...args);

/** Runs in the page: tells how a step fails. */
const failure = (/** @type {string} */ name, /** @type {any[]} */ ...args) => /** @type {any} */ (globalThis).step(name, ...args).then(() => "it did not", (/** @type {Error} */ e) => e.message);

inEachBrowser("calls that wait", ({ page: openPage, name }) => {
  /** @type {Lab} */ let lab;
  /** @type {Awaited<ReturnType<typeof serveFolder>>} */ let isolated;
  /** @type {Awaited<ReturnType<typeof serveFolder>>} */ let plain;
  /** @type {string} */ let image;
  /** @type {Awaited<ReturnType<Lab["bridge"]>>} */ let bridge;
  /** @type {any} */ let options;
  const pages = /** @type {Record<string, import("./site.js").Page>} */ ({ "/": { body: "<!doctype html><title>waiting</title>" } });

  before(async () => {
    lab = await Lab.create();
    const pki = await lab.pki(name);
    pages["/waiter.js"] = { type: "text/javascript", body: await readFile(new URL("waiter.js", import.meta.url)) };
    pages["/sw.js"] = { type: "text/javascript", body: await readFile(`${web}client/range/sw.js`) };
    isolated = await serveFolder(folders, { pages, headers: isolation });
    plain = await serveFolder(folders, { pages });
    image = await ext4(lab);
    const { target } = await lab.nbdkit(image, pki);
    bridge = await lab.bridge({ lab: target }, "--origin", isolated.origin, "--origin", plain.origin);
    options = { readOnly: false, tls: { ca: pki.ca, serverName: pki.serverName, cert: pki.cert, key: pki.key } };
  });
  after(async () => {
    await isolated?.close();
    await plain?.close();
    await lab?.close();
  });

  /** @param {typeof isolated} site @param {object} [more] */
  async function started(site, more) {
    const page = await openPage(`${site.origin}/`);
    const facts = await page.evaluate(start, { url: bridge.url("lab"), options, timeout: 30_000, how: "memory", ...more });
    return { page, facts };
  }

  /** 7-Zip lists the disk, and takes a file out of it. @param {import("puppeteer-core").Page} page */
  async function useProgram(page) {
    assert.equal(await page.evaluate(step, "load"), diskSize);
    const listed = await page.evaluate(step, "run", "l", "-slt", "/disk.img");
    assert.equal(listed.status, 0, listed.printed);
    assert.match(listed.printed, /Type = Ext(.*\n)*Path = deep\/pattern\.bin\n(.*\n)*Size = 3000001\n/);
    const taken = await page.evaluate(step, "run", "x", "-o/out", "/disk.img", "deep/pattern.bin", "hello.txt");
    assert.equal(taken.status, 0, taken.printed);
    assert.equal(await page.evaluate(step, "digest", "/out/deep/pattern.bin"), createHash("sha256").update(pattern(0, fileSize)).digest("hex"));
  }

  test("an Emscripten program reads a disk over shared memory, and writes to it", async () => {
    const { page, facts } = await started(isolated);
    assert.deepEqual(facts, { size: diskSize, readOnly: false });
    await useProgram(page);
    assert.equal(await page.evaluate(step, "writeFile", [1, 2, 3], spareAt), 3);
    assert.deepEqual([...(await readFile(image)).subarray(spareAt, spareAt + 4)], [1, 2, 3, 0], "fsync came to the server");
    await page.close();
  });

  test("reads, writes and trims what the asynchronous device does", async () => {
    const { page } = await started(isolated);
    const large = await page.evaluate(async () => {
      const { disk, step } = /** @type {any} */ (globalThis);
      const [there, here] = await Promise.all([step("read", (2 << 20) + 77, 1001), disk.read(1001, (2 << 20) + 77)]);
      return there.n === here.length && here.every((/** @type {number} */ b, /** @type {number} */ i) => b === there.bytes[i]);
    });
    assert.ok(large);
    assert.equal(await page.evaluate(step, "write", [9, 8, 7], spareAt + 512), 3);
    await page.evaluate(step, "flush");
    assert.deepEqual((await page.evaluate(step, "read", 5, spareAt + 511)).bytes, [0, 9, 8, 7, 0]);
    await page.evaluate(step, "trim", spareAt, 4096);
    assert.equal((await page.evaluate(step, "read", 10, diskSize - 4)).n, 4);
    assert.match(await page.evaluate(failure, "write", [1], diskSize), /^OUT_OF_RANGE /);
    assert.match(await page.evaluate(failure, "read", 1, -1), /^INVALID_ARGUMENT /);
    await page.close();
  });

  test("it ends with its device, and times out without an answer", async () => {
    const { page } = await started(isolated, { timeout: 300 });
    const message = await page.evaluate(async () => {
      const answer = /** @type {any} */ (globalThis).step("read", 512, 0).catch((/** @type {Error} */ e) => e.message);
      for (const until = performance.now() + 1000; performance.now() < until;); // as one that has died
      return answer;
    });
    assert.match(message, /^TIMEOUT To read 512 bytes at 0 took longer than 300 ms/);
    assert.equal((await page.evaluate(step, "read", 512, 1024)).n, 512, "and goes on");
    await page.evaluate(() => /** @type {any} */ (globalThis).disk.close());
    assert.match(await page.evaluate(failure, "read", 1, 0), /^CLOSED The device behind the handle was closed/);
    await page.close();
  });

  test("says where it can't wait", async () => {
    const onPage = async () => {
      const { openSync } = await import(/** @type {any} */ ("/client/sync/index.js"));
      return openSync(new MessageChannel().port1).then(() => "it can", (/** @type {any} */ { code, message }) => `${code} ${message}`);
    };
    const page = await openPage(`${isolated.origin}/`);
    assert.match(await page.evaluate(onPage), /^ENOTSUP This thread must not wait/);
    await page.close();
    const other = await openPage(`${plain.origin}/`);
    assert.match(await other.evaluate(start, { url: bridge.url("lab"), options, how: "memory" }).catch((e) => e.message), /ENOTSUP This page is not cross-origin isolated/);
    await other.close();
  });

  test("an Emscripten program reads a disk through the Service Worker, in a page that is not isolated", async () => {
    const { page, facts } = await started(plain, { how: "url" });
    assert.deepEqual([facts, await page.evaluate(() => crossOriginIsolated)], [{ size: diskSize, readOnly: true }, false]);
    await useProgram(page);
    assert.match(await page.evaluate(failure, "writeFile", [1], 0), /^ErrnoError/);
    await page.evaluate(() => /** @type {any} */ (globalThis).disk.close());
    assert.match(await page.evaluate(failure, "read", 1, 0), /^EIO .*answered \d+/);
    await page.close();
  });
});
