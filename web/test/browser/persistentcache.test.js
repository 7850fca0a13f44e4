// What one page load read of a disk, the next one finds in the browser.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { inEachBrowser, until } from "./browsers.js";
import { Lab, diskSize, pattern } from "./lab.js";
import { record } from "./recorder.js";

/** @param {Uint8Array} bytes */
const digest = (bytes) => createHash("sha256").update(bytes).digest("hex");

/** Runs in the page: opens the disk and its cache, and keeps them there. */
async function load(/** @type {any} */ { url, options }) {
  const { open } = await import(/** @type {any} */ ("/client/index.js"));
  const { withPersistentCache } = await import(/** @type {any} */ ("/client/layers/index.js"));
  const disk = await open(url, { tls: { mode: "off" }, readOnly: false });
  const cache = await withPersistentCache(disk, { name: "lab disk", ...options });
  Object.assign(globalThis, { disk, cache });
  return { persistent: cache.persistent };
}

/** Runs in the page. */
async function readAll() {
  const { cache } = /** @type {any} */ (globalThis);
  const bytes = await cache.read(0, cache.size);
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return { digest: Array.from(hash, (b) => b.toString(16).padStart(2, "0")).join(""), persistent: cache.persistent };
}

/** Runs in the page. */
const close = () => /** @type {any} */ (globalThis).cache.close();
const allHeld = (/** @type {number} */ bytes) => /** @type {any} */ (globalThis).cache.stats().held >= bytes;

/** Runs in the page. */
async function forget() {
  const { listCaches, deleteCaches } = await import(/** @type {any} */ ("/client/layers/index.js"));
  const { browserFolders } = await import(/** @type {any} */ ("/client/storage/cachefolders.js"));
  await browserFolders.spoil("mark"); // of a page that never had the cache
  const [{ name, bytes, lastUsed }, ...more] = await listCaches();
  const busy = await deleteCaches().catch((/** @type {any} */ e) => e.code);
  await /** @type {any} */ (globalThis).cache.close();
  await deleteCaches("another disk");
  const kept = (await listCaches()).length;
  await deleteCaches("lab disk");
  await deleteCaches();
  return { name, bytes, used: Date.now() - lastUsed, more: more.length, busy, kept, left: (await listCaches()).length, marked: await browserFolders.isSpoilt("mark") };
}

/** Runs in the page: changes until the page ends. */
async function changeForEver() {
  const { cache } = /** @type {any} */ (globalThis);
  for (let i = 0; ; i++) {
    const offset = Math.floor(Math.random() * (cache.size - 5000));
    await cache.write(offset, new Uint8Array(5000).fill(i));
    await cache.read(Math.floor(Math.random() * (cache.size - 500_000)), 500_000);
    Object.assign(globalThis, { written: i });
  }
}

inEachBrowser("the persistent cache", ({ page: openPage, name: browser }) => {
  /** @type {Lab} */ let lab;
  before(async () => { lab = await Lab.create(); });
  after(() => lab.close());

  /** A disk on nbdkit, behind a relay that counts, behind a bridge. @param {string} name */
  async function bench(name) {
    const file = await lab.disk(`${browser}-${name}.img`);
    const relay = await record({ host: "127.0.0.1", port: (await lab.nbdkit(file)).port });
    const bridge = await lab.bridge({ lab: `tcp://127.0.0.1:${relay.port}` });
    let before = 0;
    /** Bytes that the server and the client said since the last call. */
    const carried = () => {
      const total = relay.streams().reduce((sum, stream) => sum + stream.length, 0);
      return [total - before, before = total][0];
    };
    /** @param {import("puppeteer-core").Page} page @param {object} [options] */
    const start = (page, options) => page.evaluate(load, { url: bridge.url("lab"), options });
    return { file, carried, start, page: bridge.page, close: () => relay.close() };
  }

  test("the second load of a page reads nothing but the sample", async () => {
    const { carried, start, page: url, close: end } = await bench("reload");
    const page = await openPage(url);
    assert.deepEqual(await start(page), { persistent: true });
    const want = digest(pattern(0, diskSize));
    assert.equal((await page.evaluate(readAll)).digest, want);
    const first = carried();
    assert.ok(first >= diskSize && first < diskSize * 1.1, `${first} bytes, to read each once`);
    await until(page, allHeld, diskSize);

    await page.reload(); // nobody closes anything
    assert.deepEqual(await start(page), { persistent: true });
    assert.deepEqual(await page.evaluate(readAll), { digest: want, persistent: true });
    const second = carried();
    assert.ok(second > 16 * 4096 && second < 16 * 4096 + 20_000, `${second} bytes, for the sample and to begin`);
    await page.close();
    await end();
  });

  test("of two tabs one owns it, and what the other changes is not forgotten", async () => {
    const { file, start, page: url, close: end } = await bench("tabs");
    const [first, second] = [await openPage(url), await openPage(url)];
    assert.deepEqual(await start(first), { persistent: true });
    await first.evaluate(readAll);
    assert.deepEqual(await start(second), { persistent: false });
    assert.equal((await second.evaluate(readAll)).digest, digest(pattern(0, diskSize)));
    await second.evaluate(() => /** @type {any} */ (globalThis).cache.write(1_000_000, new Uint8Array(3000).fill(9)));
    await first.evaluate(close);
    await second.evaluate(close);

    assert.deepEqual(await start(second, { revalidate: "never" }), { persistent: true });
    assert.deepEqual(await second.evaluate(readAll), { digest: digest(await readFile(file)), persistent: true });
    await Promise.all([first.close(), second.close()]);
    await end();
  });

  test("a disk that was changed meanwhile is read anew", async () => {
    const { file, start, page: url, close: end } = await bench("changed");
    const page = await openPage(url);
    await start(page);
    await page.evaluate(readAll);
    await page.evaluate(close);
    const other = pattern(diskSize, diskSize);
    await writeFile(file, other);
    await start(page);
    assert.deepEqual(await page.evaluate(readAll), { digest: digest(other), persistent: true });
    await page.close();
    await end();
  });

  test("it can be listed and deleted, but not while it is open", async () => {
    const { carried, start, page: url, close: end } = await bench("delete");
    const page = await openPage(url);
    await start(page);
    await page.evaluate(readAll);
    await until(page, allHeld, diskSize);
    const { name, bytes, used, ...counts } = await page.evaluate(forget);
    assert.equal(name, "lab disk");
    assert.ok(bytes >= diskSize && bytes < diskSize + 10_000, `${bytes} bytes`);
    assert.ok(used >= 0 && used < 60_000, `${used} ms`);
    assert.deepEqual(counts, { more: 0, busy: "IN_USE", kept: 1, left: 0, marked: false });
    carried();
    await start(page);
    assert.equal((await page.evaluate(readAll)).digest, digest(pattern(0, diskSize)));
    assert.ok(carried() >= diskSize);
    await page.close();
    await end();
  });

  test("a page that ends while it changes the disk leaves nothing stale", async () => {
    const { file, start, page: url, close: end } = await bench("killed");
    for (let i = 0; i < 3; i++) {
      const page = await openPage(url);
      await start(page, { revalidate: "never" });
      const all = await page.evaluate(readAll);
      assert.deepEqual(all, { digest: digest(await readFile(file)), persistent: true });
      page.evaluate(changeForEver).catch(() => {}); // it ends with the page
      await until(page, () => /** @type {any} */ (globalThis).written > 20);
      await page.close();
    }
    await end();
  });
});
