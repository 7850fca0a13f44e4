// Overlays that the browser keeps, over a foreign server's export: pages and
// whole browsers end in the middle of writes, and others open what is left.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { inEachBrowser, until } from "./browsers.js";
import { Lab, diskSize, pattern } from "./lab.js";

const step = 64 << 10;

/**
 * Runs in the page: opens the overlay, and leaves it on the page as `overlay`.
 * Tells the code if that fails.
 */
async function openOverlay(/** @type {any} */ { url, tls, name, readOnly = true }) {
  const { open } = await import(/** @type {any} */ ("/client/index.js"));
  const { opfsStore, withOverlay } = await import(/** @type {any} */ ("/client/layers/index.js"));
  const disk = await open(url, { tls, readOnly });
  try {
    const store = await opfsStore(name, { size: disk.size, identity: disk.identity, blockSize: 4096 });
    Object.assign(globalThis, { overlay: withOverlay(disk, store) });
    return "open";
  } catch (/** @type {any} */ error) {
    await disk.close();
    return error.code;
  }
}

/**
 * Runs in the page: writes round by round, each over the whole disk, and each
 * byte is the number of its round. Tells which round was flushed as a whole.
 */
async function writeOn(/** @type {any} */ { step, first }) {
  const { overlay } = /** @type {any} */ (globalThis);
  const state = Object.assign(globalThis, { flushed: 0 });
  (async () => {
    for (let round = first; ; round++) {
      for (let at = 0; at < overlay.size; at += step) {
        await overlay.write(at, new Uint8Array(step).fill(round));
        if (at % (step * 16) === 0) await overlay.flush();
      }
      await overlay.flush();
      state.flushed = round;
    }
  })().catch(() => {}); // the page ends
}

/** Runs in the page. @param {number} round */
const hasFlushed = (round) => /** @type {any} */ (globalThis).flushed >= round;
/** Runs in the page. */
const lastFlushed = () => /** @type {any} */ (globalThis).flushed;

/** Runs in the page: the rounds that blocks are of, and how many are mixed. */
async function inspect() {
  const { overlay } = /** @type {any} */ (globalThis);
  const bytes = await overlay.read(0, overlay.size);
  let mixed = 0, least = 256, most = 0;
  for (let at = 0; at < bytes.length; at += 4096) {
    const first = bytes[at];
    if (!bytes.subarray(at, at + 4096).every((/** @type {number} */ b) => b === first)) mixed++;
    least = Math.min(least, first);
    most = Math.max(most, first);
  }
  return { mixed, least, most };
}

/** Runs in the page. */
async function closeOverlay() {
  await /** @type {any} */ (globalThis).overlay.close();
}

/** Runs in the page: the whole life of an overlay, from changes to a commit. */
async function fileAndBack() {
  const { overlay } = /** @type {any} */ (globalThis);
  const equal = (/** @type {Uint8Array} */ a, /** @type {Uint8Array} */ b) => a.length === b.length && a.every((byte, i) => byte === b[i]);
  await overlay.write(3, new Uint8Array(100_000).fill(0xa1));
  await overlay.zero(1 << 20, 1 << 20);
  await overlay.write(overlay.size - 5, new Uint8Array(5).fill(0xa2));
  const changed = await overlay.read(0, overlay.size);
  const dirty = overlay.dirty();
  const file = await new Response(await overlay.export()).blob();
  await overlay.reset();
  const reset = overlay.dirty().length;
  const cut = await overlay.import(file.slice(0, -1)).catch((/** @type {any} */ e) => e.code);
  await overlay.import(file);
  const imported = equal(await overlay.read(0, overlay.size), changed);
  const same = JSON.stringify(overlay.dirty()) === JSON.stringify(dirty);
  await overlay.commit();
  const left = overlay.dirty().length;
  await overlay.close();
  return { small: file.size < 200_000, reset, cut, imported, same, left };
}

/** Runs in the page: whether a lock tells that data is at risk, after a write and after its flush. */
async function risks() {
  const { overlay } = /** @type {any} */ (globalThis);
  const atRisk = async () => (await navigator.locks.query()).held?.some(({ name }) => name?.startsWith("nbdbridge at risk")) ?? false;
  let written = false;
  for (let tries = 0; !written && tries < 20; tries++) { // it is flushed by itself, perhaps before the answer
    await overlay.write(0, new Uint8Array(4096));
    written = await atRisk();
  }
  await overlay.flush();
  return [written, await atRisk()];
}

/** Runs in the page: writes until the browser gives no more room, and then on. */
async function fill() {
  const { overlay } = /** @type {any} */ (globalThis);
  const code = (/** @type {any} */ e) => e.code;
  let refused;
  for (let at = 0; !refused && at < overlay.size; at += 1 << 20) {
    refused = await overlay.write(at, new Uint8Array(1 << 20).fill(1)).then(() => undefined, code);
    if (!refused) Object.assign(globalThis, { written: at + (1 << 20) });
  }
  await overlay.flush().catch(code);
  const { written } = /** @type {any} */ (globalThis);
  const kept = (await overlay.read(0, written)).every((/** @type {number} */ b) => b === 1);
  const reset = await overlay.reset().then(() => "done", code);
  const again = await overlay.write(0, new Uint8Array(4096)).then(() => overlay.flush()).then(() => "done", code);
  await overlay.close();
  return { refused, some: written > 0, kept, reset, again };
}

/** Runs in the page: what is there is deleted. */
async function deleteAll() {
  const { deleteOverlay, listOverlays } = await import(/** @type {any} */ ("/client/layers/index.js"));
  for (const name of await listOverlays()) await deleteOverlay(name);
  return listOverlays();
}

inEachBrowser("overlays that stay", ({ page: openPage, name: browser }) => {
  /** @type {Lab} */ let lab;
  /** @type {any} */ let options;
  /** @type {string} */ let url;
  /** @type {string} */ let file;
  before(async () => {
    lab = await Lab.create();
    const pki = await lab.pki(browser);
    file = await lab.disk("disk.img");
    const { target } = await lab.nbdkit(file, pki);
    const bridge = await lab.bridge({ lab: target });
    url = bridge.page;
    options = { url: bridge.url("lab"), tls: { ca: pki.ca, serverName: pki.serverName, cert: pki.cert, key: pki.key } };
  });
  after(() => lab.close());

  /**
   * Opens the overlay as soon as the one before it has gone.
   * @param {import("puppeteer-core").Page} page @param {string} name
   */
  async function reopen(page, name) {
    for (const deadline = Date.now() + 30_000; ;) {
      const state = await page.evaluate(openOverlay, { ...options, name });
      if (state === "open") return;
      assert.equal(state, "IN_USE");
      assert.ok(Date.now() < deadline, "not in 30 s");
    }
  }

  /** @type {Record<string, (page: import("puppeteer-core").Page) => Promise<import("puppeteer-core").Page>>} */
  const ends = {
    "reloaded": async (page) => {
      await page.reload();
      return page;
    },
    "closed": async (page) => {
      await page.close({ runBeforeUnload: false });
      return openPage(url);
    },
  };
  if (browser === "chromium") {
    ends["killed"] = async (page) => {
      const crashed = new Promise((resolve) => page.once("error", resolve));
      page.goto("chrome://crash").catch(() => {}); // nobody answers
      await crashed;
      await page.close().catch(() => {});
      return openPage(url);
    };
  }

  for (const [end, leave] of Object.entries(ends)) {
    test(`a tab that is ${end} in the middle of writes leaves whole blocks, and all that was flushed`, async () => {
      let page = await openPage(url);
      for (let life = 0, sure = 0; life < 3; life++) {
        await reopen(page, end);
        if (life > 0) {
          const { mixed, least, most } = await page.evaluate(inspect);
          assert.ok(mixed === 0 && least >= sure && most < (life + 1) * 80, JSON.stringify({ mixed, least, most, sure }));
        }
        await page.evaluate(writeOn, { step, first: life * 80 + 1 });
        await until(page, hasFlushed, life * 80 + 2);
        sure = await page.evaluate(lastFlushed);
        page = await leave(page);
      }
      await page.close();
    });
  }

  test("two tabs can't have one overlay; the second can when the first has closed it", async () => {
    const [first, second] = [await openPage(url), await openPage(url)];
    const named = { ...options, name: "two tabs" };
    assert.equal(await first.evaluate(openOverlay, named), "open");
    assert.equal(await second.evaluate(openOverlay, named), "IN_USE");
    await first.evaluate(closeOverlay);
    assert.equal(await second.evaluate(openOverlay, named), "open");
    await Promise.all([first.close(), second.close()]);
  });

  test("a lock keeps the tab from being frozen while something is not flushed", async () => {
    const page = await openPage(url);
    assert.equal(await page.evaluate(openOverlay, { ...options, name: "risk" }), "open");
    assert.deepEqual(await page.evaluate(risks), [true, false]);
    await page.evaluate(closeOverlay);
    await page.close();
  });

  if (browser === "chromium") {
    test("a full disk refuses writes and keeps the others; a reset makes room", async () => {
      const page = await openPage(url);
      await page.evaluate(deleteAll);
      const session = await page.createCDPSession();
      const { usage } = await session.send("Storage.getUsageAndQuota", { origin: new URL(url).origin });
      await session.send("Storage.overrideQuotaForOrigin", { origin: new URL(url).origin, quotaSize: usage + (4 << 20) });
      assert.equal(await page.evaluate(openOverlay, { ...options, name: "full" }), "open");
      assert.deepEqual(await page.evaluate(fill), { refused: "ENOSPC", some: true, kept: true, reset: "done", again: "done" });
      await session.send("Storage.overrideQuotaForOrigin", { origin: new URL(url).origin });
      await page.close();
    });
  }

  test("export, reset, import and commit; the backing file holds exactly what was written", async () => {
    const page = await openPage(url);
    assert.equal(await page.evaluate(openOverlay, { ...options, name: "file", readOnly: false }), "open");
    const result = await page.evaluate(fileAndBack);
    assert.deepEqual(result, { small: true, reset: 0, cut: "INVALID_ARGUMENT", imported: true, same: true, left: 0 });
    const want = pattern(0, diskSize);
    want.fill(0xa1, 3, 100_003).fill(0, 1 << 20, 2 << 20).fill(0xa2, diskSize - 5);
    assert.ok(want.equals(await readFile(file)));
    assert.deepEqual(await page.evaluate(deleteAll), []);
    await page.close();
  });
});
