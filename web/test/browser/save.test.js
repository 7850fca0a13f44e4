// Disks saved as files, by each of the ways that browsers have for it.
import assert from "node:assert/strict";
import { mkdtempSync } from "node:fs";
import { readFile, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { inEachBrowser, until } from "./browsers.js";
import { Lab, pattern } from "./lab.js";
import { serveFolder } from "./site.js";

const folder = fileURLToPath(new URL("../..", import.meta.url));
const size = (24 << 20) + 77;
const content = pattern(0, size);

/** Where Firefox puts files; Chromium is told later. */
const downloads = mkdtempSync(join(tmpdir(), "nbd-saved-"));
after(() => rm(downloads, { recursive: true, force: true }));
const prefs = {
  "browser.download.folderList": 2, "browser.download.dir": downloads, "browser.download.useDownloadDir": true,
  "browser.helperApps.neverAsk.saveToDisk": "application/octet-stream", "browser.download.alwaysOpenPanel": false,
  "browser.download.always_ask_before_handling_new_types": false,
};

/** Runs in the page: the disk stays on the page, and `saved` tells what became of the save. */
async function save(/** @type {any} */ { url, tls, name, asStream, stopAt = Infinity, script = "/client/range/sw.js" }) {
  const { open } = await import(/** @type {any} */ ("/client/index.js"));
  const { saveAs } = await import(/** @type {any} */ ("/client/save/index.js"));
  const disk = await open(url, { tls, reconnect: false });
  const controller = new AbortController();
  const stream = () => {
    const chunks = disk.stream({ chunkSize: 100_000 });
    return new ReadableStream({
      async pull(sink) {
        const { value, done } = await chunks.next();
        if (done) sink.close();
        else sink.enqueue(value);
      },
    });
  };
  const state = Object.assign(globalThis, { disk, controller, last: /** @type {any} */ (undefined), saved: "" });
  const onProgress = (/** @type {any} */ progress) => {
    state.last = progress;
    if (progress.done >= stopAt) controller.abort(new Error("enough"));
  };
  saveAs(asStream ? stream() : disk, name, { script, onProgress, signal: controller.signal })
    .then(() => { state.saved = "saved"; }, (/** @type {any} */ e) => { state.saved = `${e.name === "NbdError" ? e.code : e.name}: ${e.message}`; });
}

/** Runs in the page: saves texts, one after the other. */
async function saveSmall(/** @type {string[]} */ names) {
  const { saveAs } = await import(/** @type {any} */ ("/client/save/index.js"));
  for (const name of names) await saveAs(new Blob([name]).stream(), name, { script: "/client/range/sw.js" });
}

/** Runs in the page. */
const outcome = () => /** @type {any} */ (globalThis).saved;
/** Runs in the page. */
const progress = () => {
  const { done, total, skipped, errors } = /** @type {any} */ (globalThis).last;
  return { done, total: total ?? null, skipped, errors };
};

/** Runs in the page. */
const hasBegun = () => /** @type {any} */ (globalThis).last?.done > 1 << 20;

/** Runs in the page: a dialog that gives a file of the browser's own storage. */
function fakeDialog(/** @type {any} */ answer) {
  Object.assign(globalThis, {
    async showSaveFilePicker(/** @type {any} */ { suggestedName }) {
      if (answer !== "file") throw new DOMException("x", answer);
      return (await navigator.storage.getDirectory()).getFileHandle(suggestedName, { create: true });
    },
  });
}

/** Runs in the page: the file that the dialog gave. @param {string} name */
async function dialogsFile(name) {
  const file = await (await navigator.storage.getDirectory()).getFileHandle(name).then((h) => h.getFile(), () => undefined);
  if (!file) return null;
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", await file.arrayBuffer()));
  return { size: file.size, digest: [...digest] };
}

inEachBrowser("saving", ({ page: openPage, name: browser }) => {
  /** @type {Lab} */ let lab;
  /** @type {Awaited<ReturnType<typeof serveFolder>>} */ let web;
  /** @type {any} */ let options;
  /** @type {() => Promise<void>} */ let breakServer;
  let files = downloads;

  before(async () => {
    lab = await Lab.create();
    const headers = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };
    web = await serveFolder(folder, { headers, pages: { "/": { body: "<!doctype html><title>empty</title><body>" } } });
    const pki = await lab.pki(browser);
    const server = await lab.nbdkit(await lab.disk("disk.img", content), pki);
    const bridge = await lab.bridge({ lab: server.target }, "--origin", web.origin);
    breakServer = bridge.kill;
    options = { url: bridge.url("lab"), tls: { ca: pki.ca, serverName: pki.serverName, cert: pki.cert, key: pki.key } };
  });
  after(async () => {
    await web?.close();
    await lab?.close();
  });

  /** A page without a dialog for files, whose downloads come into the folder. */
  async function visit() {
    const page = await openPage(`${web.origin}/`);
    await page.evaluate(() => { Reflect.deleteProperty(globalThis, "showSaveFilePicker"); });
    if (browser === "chromium") {
      files = join(lab.dir, "downloads");
      const session = await page.createCDPSession();
      await session.send("Browser.setDownloadBehavior", { behavior: "allow", downloadPath: files, eventsEnabled: false });
    }
    return page;
  }

  /** @param {string} name @returns {Promise<number>} its size, 0 if there is none */
  const sizeOf = (name) => stat(join(files, name)).then((s) => s.size, () => 0);

  /** @param {string} name */
  async function wholeFile(name) {
    for (const deadline = Date.now() + 30_000; await sizeOf(name) !== size;) {
      assert.ok(Date.now() < deadline, `not in 30 s: ${await readdir(files)}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    assert.ok(content.equals(await readFile(join(files, name))));
  }

  for (const [what, asStream, total] of /** @type {const} */ ([["a device", false, size], ["a stream", true, null]])) {
    test(`${what} is downloaded through the Service Worker`, async () => {
      const page = await visit();
      const name = `Größe 磁盘 ${what}.img`;
      await page.evaluate(save, { ...options, name, asStream });
      await until(page, outcome);
      assert.equal(await page.evaluate(outcome), "saved");
      assert.deepEqual(await page.evaluate(progress), { done: size, total, skipped: 0, errors: 0 });
      await wholeFile(name);
      await page.close();
    });
  }

  test("small files arrive too, however soon they are taken", async () => {
    const page = await visit();
    const names = Array.from({ length: 8 }, (_, i) => `small-${i}.txt`);
    await page.evaluate(saveSmall, names);
    for (const name of names) {
      for (const deadline = Date.now() + 30_000; await sizeOf(name) === 0;) {
        assert.ok(Date.now() < deadline, `${name} is missing: ${await readdir(files)}`);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      assert.equal(await readFile(join(files, name), "utf8"), name);
      await rm(join(files, name)); // later tests look at what is there
    }
    await page.close();
  });

  test("a download that is given up leaves no file", async () => {
    const page = await visit();
    await page.evaluate(save, { ...options, name: "given-up.img", stopAt: 4 << 20 });
    await until(page, outcome);
    assert.equal(await page.evaluate(outcome), "Error: enough");
    await page.close();
    assert.equal(await sizeOf("given-up.img"), 0);
  });

  test("a page that is closed in the middle leaves no file", async () => {
    const page = await visit();
    await page.evaluate(save, { ...options, name: "closed.img" });
    await until(page, hasBegun);
    await page.close({ runBeforeUnload: false });
    assert.equal(await sizeOf("closed.img"), 0);
  });

  test("without a Service Worker the browser's storage is the way", async () => {
    const page = await visit();
    await page.evaluate(save, { ...options, name: "staged.img", script: "/missing.js" });
    await until(page, outcome);
    assert.equal(await page.evaluate(outcome), "saved");
    await wholeFile("staged.img");
    await page.close();
  });

  test("the browser's dialog is taken where there is one", async () => {
    const page = await visit();
    await page.evaluate(fakeDialog, "file");
    await page.evaluate(save, { ...options, name: "picked.img" });
    await until(page, outcome);
    assert.equal(await page.evaluate(outcome), "saved");
    const { createHash } = await import("node:crypto");
    assert.deepEqual(await page.evaluate(dialogsFile, "picked.img"), { size, digest: [...createHash("sha256").update(content).digest()] });
    await page.evaluate(save, { ...options, name: "left.img", stopAt: 4 << 20 });
    await until(page, outcome);
    assert.equal(await page.evaluate(outcome), "Error: enough");
    assert.ok(!(await page.evaluate(dialogsFile, "left.img"))?.size); // not every browser lets us delete it
    await page.evaluate(fakeDialog, "AbortError");
    await page.evaluate(save, { ...options, name: "refused.img" });
    await until(page, outcome);
    assert.equal(await page.evaluate(outcome), "AbortError: x");
    await page.close();
  });

  test("a disk that fails fails the download, and leaves no file", async () => {
    const page = await visit();
    await page.evaluate(save, { ...options, name: "broken.img" });
    await until(page, hasBegun);
    await breakServer();
    await until(page, outcome);
    assert.match(await page.evaluate(outcome), /^DISCONNECTED: /);
    await page.close();
    assert.equal(await sizeOf("broken.img"), 0);
    // By now the browser has ended what was given up before, too.
    const names = (await readdir(files)).filter((name) => !/\.(part|crdownload)$/.test(name));
    const sizes = await Promise.all(names.map(sizeOf));
    assert.deepEqual(sizes.filter((bytes) => bytes > 0), [size, size, size], `${names}`);
  });
}, { prefs });
