// The parts that the pages share, where no page tests them by its own use.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { inEachBrowser, until } from "./browsers.js";
import { shots } from "./shots.js";
import { serveFolder } from "./site.js";

const web = fileURLToPath(new URL("../..", import.meta.url));

const body = `
  <link rel="stylesheet" href="/demo/page/style.css">
  <header></header><div id="notices"></div>
  <main class="columns"><div class="stack">
    <section class="panel stack"><h2>Work</h2><div class="actions"><button id="begin">Begin</button><button class="danger">Discard the changes</button></div><div id="work"></div></section>
    <section class="panel"><h2>Figures</h2><dl class="strip">
      <div><dt>Requests</dt><dd>1 204 <small>3 now</small></dd></div><div><dt>Read</dt><dd>12.5 MiB</dd></div><div><dt>Latency</dt><dd>1.2 ms</dd></div></dl></section>
    <section class="panel picture"><h2>Blocks</h2><ul class="legend">
      <li><span class="swatch"></span>untouched</li><li><span class="swatch data-1"></span>read</li><li><span class="swatch data-2"></span>from the cache</li>
      <li><span class="swatch data-3"></span>written</li><li><span class="swatch data-4"></span>chosen</li><li><span class="swatch data-5"></span>free</li></ul></section>
  </div><section class="panel stack"><h2>Lists</h2>
    <div class="tabs" role="tablist" aria-label="Views"><button role="tab" aria-selected="true">Files</button><button role="tab" aria-selected="false">Bytes</button></div>
    <div class="scroll"><table class="table"><thead><tr><th scope="col">Name</th><th scope="col" class="number">Bytes</th></tr></thead><tbody>
      <tr><td class="name">a rather long name of a file.txt</td><td class="number">1 024</td></tr><tr class="here"><td class="name">b</td><td class="number">33 554 432</td></tr></tbody></table></div>
    <p class="actions"><span class="mark">ext4</span><span class="mark danger">damaged</span></p>
  </section></main>`;

inEachBrowser("the parts of the pages", ({ name: browser, page: openPage }) => {
  /** @type {Awaited<ReturnType<typeof serveFolder>>} */ let site;
  /** @type {import("puppeteer-core").Page} */ let page;
  before(async () => {
    const html = `<!doctype html><html lang="en"><meta name="viewport" content="width=device-width"><title>parts</title>${body}`;
    site = await serveFolder(web, { pages: { "/parts": { body: html } } });
    page = await openPage(`${site.origin}/parts`);
  });
  after(() => site.close());

  test("long work shows itself, is stopped, and gives the focus back", async () => {
    await page.evaluate(async (root) => {
      const { ProgressBar } = await import(`${root}/demo/page/progress.js`);
      const bar = new ProgressBar();
      document.getElementById("work")?.append(bar.element);
      const work = (/** @type {AbortSignal} */ signal, /** @type {(state: object) => void} */ tell) => {
        tell({ done: 3 << 20, total: 8 << 20, rate: 1 << 20, left: 5000, skipped: 0, errors: 0 });
        return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
      };
      document.getElementById("begin")?.addEventListener("click", async () => {
        document.title = await bar.run("Hashing vda", work).catch((/** @type {Error} */ error) => error.name);
      });
    }, site.origin);
    await page.focus("#begin");
    await page.keyboard.press("Enter");
    await until(page, () => document.querySelector("#work .hint")?.textContent === "3 MiB of 8 MiB, 1 MiB/s, 5 seconds left");
    assert.deepEqual(await page.$eval("#work progress", (bar) => [bar.getAttribute("aria-label"), /** @type {HTMLProgressElement} */ (bar).position]), ["Hashing vda", 0.375]);
    await shots(page, `parts-${browser}`);
    await until(page, () => document.querySelector("#work .hint")?.textContent?.match(/, nothing new for \d+ seconds$/));
    await page.focus("#work button");
    await page.keyboard.press("Enter");
    await until(page, () => document.title === "AbortError" && document.activeElement?.id === "begin");
    assert.equal(await page.$eval("#work .progress-box", (box) => box.checkVisibility()), false);
  });

  test("the rate is found where the work does not tell it, and the end is heard", async () => {
    const [words, heard] = await page.evaluate(async (root) => {
      const { ProgressBar } = await import(`${root}/demo/page/progress.js`);
      const bar = new ProgressBar();
      document.getElementById("work")?.replaceChildren(bar.element);
      let words = "";
      await bar.run("Copying", async (/** @type {AbortSignal} */ _, /** @type {(state: object) => void} */ tell) => {
        for (let done = 0; done <= 800; done += 100) {
          tell({ done, total: 1000 });
          await new Promise((resolve) => setTimeout(resolve, 100));
        }
        words = bar.element.querySelector(".hint")?.textContent ?? "";
      });
      return [words, bar.element.querySelector("[role=status]")?.textContent];
    }, site.origin);
    assert.match(words, /^800 bytes of 1000 bytes, \d+ bytes\/s, 1 second left$/);
    assert.equal(heard, "Copying: done.");
  });

  test("questions: Escape is no, and the verb is yes", async () => {
    const asking = async (/** @type {string} */ root) => {
      const { ask } = await import(`${root}/demo/page/ask.js`);
      document.title = "asked";
      ask("Discard the changes?", "The 3 files that the machine wrote are lost.", { yes: "Discard", danger: true })
        .then((/** @type {boolean} */ answer) => { document.title = String(answer); });
    };
    await page.evaluate(asking, site.origin);
    await until(page, () => document.querySelector("dialog")?.open);
    await shots(page, `dialog-${browser}`, { whole: false });
    await page.keyboard.press("Escape");
    await until(page, () => document.title === "false" && !document.querySelector("dialog"));
    await page.evaluate(asking, site.origin);
    await until(page, () => document.querySelector("dialog")?.open);
    await page.click("dialog .danger");
    await until(page, () => document.title === "true");
  });

  test("a page opens one disk at a time, and tidies up what was given up", async () => {
    const connected = await openPage(`${site.origin}/parts`);
    await connected.evaluate(async (root) => {
      const { startConnection } = await import(`${root}/demo/page/connection.js`);
      const heard = /** @type {any} */ (window);
      heard.calls = [];
      const fields = [Object.assign(document.createElement("p"), { id: "extra", textContent: "Memory" })];
      const open = (/** @type {{exportName: string}} */ place, /** @type {AbortSignal} */ _, /** @type {boolean} */ again) => {
        heard.calls.push(`open ${place.exportName}${again ? " again" : ""}`);
        return new Promise((resolve, reject) => { Object.assign(heard, { resolve, reject }); }); // it does not hear the signal
      };
      const close = async (/** @type {boolean} */ stay) => {
        heard.calls.push(stay ? "close, stay" : "close");
        if (heard.broken) throw new Error("it is stuck");
      };
      heard.connection = await startConnection(document.querySelector("main .stack"), {
        action: "Boot", opening: "Booting", opened: "Running.", failed: "It did not start.", stop: "Turn off", open, close, fields });
      for (const [id, value] of [["target", "t"], ["mode", "off"]]) /** @type {HTMLInputElement} */ (document.getElementById(id)).value = value;
    }, site.origin);
    const text = (/** @type {string} */ id) => connected.$eval(`#${id}`, (e) => /** @type {HTMLElement} */ (e).innerText);
    const calls = () => connected.evaluate(() => /** @type {any} */ (window).calls.splice(0));
    const boot = (/** @type {string} */ name) => connected.evaluate((exportName) => {
      /** @type {HTMLInputElement} */ (document.getElementById("export")).value = exportName;
      document.getElementById("open")?.click();
    }, name);
    const finish = (/** @type {"resolve" | "reject"} */ how) => connected.evaluate((name) => /** @type {any} */ (window)[name](new Error("no firmware")), how);
    const stop = () => connected.evaluate(() => document.getElementById("stop")?.click());

    assert.equal(await connected.$eval("#connect #extra", (e) => e.textContent), "Memory");
    await boot("a");
    assert.deepEqual([await calls(), await text("status"), await text("stop")], [["close, stay", "open a"], "Booting", "Cancel"]);
    await stop();
    assert.equal(await text("status"), "Not connected.");
    await boot("b");
    assert.deepEqual([await calls(), await text("status")], [[], "Booting"], "a is not tidied up yet");
    await finish("resolve");
    assert.deepEqual([await calls(), await text("status")], [["close", "close, stay", "open b"], "Booting"]);
    await finish("reject");
    await until(connected, () => document.getElementById("alert")?.innerText.match(/It did not start\.\s+no firmware/));
    assert.deepEqual([await calls(), await text("status")], [["close"], "Not connected."]);
    await boot("c");
    await finish("resolve");
    await until(connected, () => document.getElementById("status")?.innerText === "Running.");
    assert.deepEqual([await calls(), await text("stop")], [["close, stay", "open c"], "Turn off"]);

    await connected.evaluate(() => /** @type {any} */ (window).connection.lost("It stopped.", new Error("the cable")));
    assert.deepEqual([await calls(), await text("status")], [["close, stay"], "Not connected."]);
    await connected.click("#alert button"); // Reconnect
    await finish("resolve");
    await until(connected, () => document.getElementById("status")?.innerText === "Running.");
    assert.deepEqual(await calls(), ["close, stay", "open c again"]);
    await connected.evaluate(() => { /** @type {any} */ (window).broken = true; });
    await stop();
    await until(connected, () => document.getElementById("alert")?.innerText.match(/It did not end well\.\s+it is stuck/));
    assert.deepEqual([await calls(), await text("status")], [["close"], "Not connected."]);
    await connected.close();
  });

  test("banners are heard once, and nothing is wider than the screen", async () => {
    const idle = await page.evaluate(async (root) => {
      const { Banner } = await import(`${root}/demo/page/banner.js`);
      const [info, warn, danger] = ["info", "warn", "danger"].map((kind) => new Banner(kind));
      for (const banner of [info, warn, danger]) banner.show("The connection is lost.", "For 1 second.", "the_bridge_could_not_be_reached".repeat(8));
      const changes = /** @type {MutationRecord[]} */ ([]);
      const watcher = new MutationObserver((records) => changes.push(...records));
      watcher.observe(warn.element.querySelector("[role=status]"), { subtree: true, childList: true, characterData: true });
      warn.show("The connection is lost.", "For 2 seconds.", "");
      changes.push(...watcher.takeRecords());
      info.hide();
      return [changes.length, info.element.getBoundingClientRect().width, info.element.innerText.trim()];
    }, site.origin);
    assert.deepEqual(idle, [0, 1, "i"]);
    await shots(page, `banners-${browser}`, { whole: false });
    await page.setViewport({ width: 320, height: 640 }).catch(() => {}); // as in Firefox: the size is set
    await until(page, () => innerWidth === 320);
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth) <= 320);
  });
});
