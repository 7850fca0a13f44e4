// Acquisitions that go another way than planned: what the page says of them, and
// what their logs say, must be so.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { AcquirePage, prefs, removeDownloads } from "./acquire-page.js";
import { inEachBrowser, until } from "./browsers.js";
import { Lab } from "./lab.js";
import { shots } from "./shots.js";

const MiB = 1 << 20;
const size = 20 * MiB;

after(removeDownloads);

inEachBrowser("doubts", ({ page: openPage, name: browser }) => {
  /** @type {Lab} */ let lab;
  /** @type {Awaited<ReturnType<Lab["bridge"]>>} */ let bridge;
  const speed = () => join(lab.dir, "speed");
  /** How fast the slow targets are from now on. @param {"4M" | "1G"} bits a second */
  const allow = (bits) => writeFile(speed(), bits);

  before(async () => {
    lab = await Lab.create();
    const [one, other] = [await lab.disk("one.img", randomBytes(size)), await lab.disk("other.img", randomBytes(size))];
    await allow("1G");
    const slowed = ["--readonly", "--filter=rate", "rate=1G", `rate-file=${speed()}`];
    const [plain, slow, another] = await Promise.all([
      lab.nbdkit(one, undefined, "--readonly"), lab.nbdkit(one, undefined, ...slowed), lab.nbdkit(other, undefined, ...slowed),
    ]);
    bridge = await lab.bridge({ plain: plain.target, slow: slow.target, another: another.target });
  });
  after(() => lab?.close());

  /** @param {string} target @param {{picker?: boolean}} [how] */
  async function visit(target, how) {
    const tab = await AcquirePage.open(openPage, bridge.page, how);
    await tab.connect(target);
    return tab;
  }

  test("it can be paused also after it went on", async () => {
    const tab = await visit("slow");
    const name = `again-${browser}.img`;
    await allow("4M");
    await tab.acquire({ "acquire-name": name });
    await tab.has(MiB);
    for (const bytes of [2 * MiB, 3 * MiB]) {
      await tab.page.click("#acquisition-pause");
      await tab.shows("#acquisition-status", /^Paused\.$/);
      await tab.page.click("#acquisition-go");
      await tab.has(bytes);
    }
    await allow("1G");
    await tab.complete();
    await tab.discard(name);
  });

  test("another disk of the same size: it is told, waits for a click, and the log has both", async () => {
    const tab = await visit("slow");
    const name = `mixed-${browser}.img`;
    await allow("4M");
    await tab.acquire({ "acquire-name": name });
    await tab.has(MiB);
    await tab.page.click("#disconnect");
    await tab.shows("#acquisition-status", /^Paused/);
    await tab.page.click("#acquisition-close");
    await tab.connect("another");
    await tab.page.click("#kept-rows button");
    await tab.shows("#acquisition-note", /slow.*another/);
    await tab.shows("#acquisition-status", /^Paused/);
    await shots(tab.page, `acquire-elsewhere-${browser}`);
    await allow("1G");
    await tab.page.click("#acquisition-go");
    await tab.complete();
    const log = await tab.log(name);
    assert.deepEqual([log.source.bridge, log.source.target, log.sessions.length], [bridge.url(""), "slow, later another", 2]);
    assert.match(await readFile(await tab.save("#save-text", `${name}.log.txt`), "utf8"), /Target +slow, later another/);
    await tab.discard(name);
  });

  test("the same page, loaded anew, is told as the same", async () => {
    const tab = await visit("slow");
    const name = `anew-${browser}.img`;
    await allow("4M");
    await tab.acquire({ "acquire-name": name });
    await tab.has(MiB);
    await tab.page.click("#acquisition-pause");
    await tab.shows("#acquisition-status", /^Paused/);
    await tab.page.reload();
    await tab.shows("#kept-rows", new RegExp(name));
    await tab.connect("slow");
    await allow("1G");
    await tab.page.click("#kept-rows button");
    await tab.complete();
    const { tool, sessions } = await tab.log(name);
    assert.deepEqual([tool.revision, tool.platform.includes("later"), sessions.length], [undefined, false, 2]);
    await tab.discard(name);
  });

  test("a name that no file can have, and the log of the one before, are not shown", async () => {
    const tab = await visit("plain");
    const first = `first-${browser}.img`, second = `..second\u202e-${browser}.img`;
    await tab.acquire({ "acquire-name": first });
    await tab.complete();
    await tab.page.click("#log-box summary");
    await tab.shows("#log-text", new RegExp(`Name +${first}`));
    await tab.clickAndAgree("#acquisition-discard");
    await tab.shows("#acquire-form", /./);
    const seen = tab.page.evaluate(() => new Promise((resolve) => {
      const box = /** @type {HTMLElement} */ (document.getElementById("result")), text = /** @type {HTMLElement} */ (document.getElementById("log-text"));
      new MutationObserver((_, observer) => {
        if (box.hidden) return;
        observer.disconnect();
        resolve(text.textContent);
      }).observe(box, { attributes: true });
    }));
    await tab.acquire({ "acquire-name": second });
    assert.equal(await seen, "");
    await tab.complete();
    const log = await tab.log(`second-${browser}.img`);
    assert.equal(log.image.name, `second-${browser}.img`);
    await tab.discard(`second-${browser}.img`);
  });

  test("one that another tab has discarded is told as that, and does not come back", async () => {
    const tab = await visit("plain");
    const name = `gone-${browser}.img`;
    await tab.acquire({ "acquire-name": name });
    await tab.complete();
    await tab.page.click("#acquisition-close");
    await tab.shows("#kept-rows", new RegExp(name));
    await tab.page.evaluate(async (wanted) => {
      const { discardKept, listKept } = await import(/** @type {any} */ ("/demo/forensics/acquire/store.js"));
      await discardKept((await listKept()).find((/** @type {any} */ { about }) => about?.name === wanted).id);
    }, name); // as another tab does
    await tab.page.click(`#kept-rows button[aria-label="Open ${name}"]`);
    await tab.shows("#alert", /discarded in another tab/);
    await until(tab.page, (wanted) => !document.getElementById("kept-rows")?.innerText.includes(wanted), name);
    assert.doesNotMatch(await tab.text("#kept"), /hardly begun/);
    await tab.page.close();
  });

  test("a file that can't be finished is not complete", async () => {
    const tab = await visit("plain", { picker: true });
    await tab.page.evaluate(() => {
      Object.assign(globalThis, {
        async showSaveFilePicker(/** @type {any} */ { suggestedName }) {
          const handle = await (await navigator.storage.getDirectory()).getFileHandle(suggestedName, { create: true });
          const createWritable = handle.createWritable.bind(handle);
          handle.createWritable = async () => Object.assign(await createWritable(), { close: () => Promise.reject(new DOMException("there is no room", "QuotaExceededError")) });
          return handle;
        },
      });
    });
    await tab.acquire({ "acquire-name": `unfinished-${browser}.img`, "acquire-file": true });
    await tab.shows("#acquisition-note", /no more room/);
    await tab.shows("#acquisition-status", /^Paused/);
    assert.equal(await tab.page.$eval("#result", (e) => e.checkVisibility()), false);
    await tab.page.close({ runBeforeUnload: false });
  });

  test("a signature of another log than the saved one says so", async () => {
    const tab = await visit("plain");
    const name = `signed-${browser}.img`;
    await tab.acquire({ "acquire-name": name });
    await tab.complete();
    await tab.log(name); // without a key
    await tab.page.click("#key summary");
    await tab.page.click("#key-make");
    await tab.shows("#key-facts", /[0-9a-f]{64}/);
    await tab.save("#save-signature", `${name}.log.json.sig`);
    await tab.shows("#result-status", /save the log again/);
    await tab.discard(name);
  });

  test("nothing is taken away while the image is saved, and the page warns before it leaves", async () => {
    const tab = await visit("plain");
    const name = `saving-${browser}.img`;
    await tab.acquire({ "acquire-name": name });
    await tab.complete();
    await tab.page.evaluate(() => {
      Object.assign(globalThis, { showSaveFilePicker: async () => ({
        name: "held", getFile: async () => ({ size: 1 }),
        createWritable: async () => ({ write: () => new Promise((resolve) => Object.assign(globalThis, { letGo: resolve })), close: async () => {}, abort: async () => {} }),
      }) });
    });
    await tab.page.click("#save-image");
    await until(tab.page, () => "letGo" in globalThis);
    const hidden = await tab.page.$$eval("#acquisition-discard, #acquisition-close", (buttons) => buttons.map((b) => b.checkVisibility()));
    assert.deepEqual(hidden, [false, false]);
    assert.equal(await tab.page.evaluate(() => dispatchEvent(new Event("beforeunload", { cancelable: true }))), false);
    await tab.page.click("#result .progress button");
    await until(tab.page, () => Boolean(document.getElementById("acquisition-discard")?.checkVisibility()));
    assert.equal(await tab.page.evaluate(() => dispatchEvent(new Event("beforeunload", { cancelable: true }))), true);
    await tab.discard(name);
  });
}, { prefs });
