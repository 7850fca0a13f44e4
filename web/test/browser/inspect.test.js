// The inspector, over disks of nbdkit behind a bridge: what it shows of a disk
// as it is, without its files.
import assert from "node:assert/strict";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { inEachBrowser, until } from "./browsers.js";
import { MiB, farAway, farText, makeDisk, serveWithBadSector } from "./inspect-disk.js";
import { Lab, pattern } from "./lab.js";
import { longestTask } from "./maintasks.js";
import { shots } from "./shots.js";

inEachBrowser("the inspector", ({ page: openPage, name: browser }) => {
  /** @type {Lab} */ let lab;
  /** @type {Awaited<ReturnType<Lab["pki"]>>} */ let pki;
  /** @type {Awaited<ReturnType<Lab["bridge"]>>} */ let bridge;
  /** @type {import("puppeteer-core").Page} */ let page;
  /** What the page complained of. @type {string[]} */ let complaints;
  const failing = () => join(lab.dir, "failing");

  before(async () => {
    lab = await Lab.create();
    pki = await lab.pki("pki");
    const disk = await makeDisk(lab);
    const plain = await lab.disk("plain.img", pattern(0, 4 * MiB + 100));
    const empty = await lab.disk("empty.img", Buffer.alloc(0));
    const [sparse, bad, headless, nothing, broken] = await Promise.all([
      lab.nbdkit(disk, pki), serveWithBadSector(lab, plain, 3, pki), serveWithBadSector(lab, plain, 0, pki), lab.nbdkit(empty, pki),
      lab.nbdkit(plain, pki, "--filter=error", "error-pread=EIO", "error-pread-rate=100%", `error-pread-file=${failing()}`),
    ]);
    bridge = await lab.bridge({ sparse: sparse.target, bad: bad.target, headless: headless.target, nothing: nothing.target, broken: broken.target });
  });
  after(() => lab.close());

  /**
   * Opens a disk, with the form filled by hand.
   * @param {string} target
   */
  async function inspect(target) {
    page = await openPage("about:blank");
    complaints = [];
    page.on("pageerror", (error) => complaints.push(String(error)));
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warn") complaints.push(message.text());
    });
    await page.setViewport({ width: 1280, height: 900 }).catch(() => {}); // Firefox 140 sets the size, and complains
    await page.goto(`${bridge.page}inspect/`);
    await shows("#status", /Not connected\./);
    await fill({ target, "server-name": pki.serverName, ca: pki.ca, cert: pki.cert, key: pki.key });
    await page.click("#open");
    await shows("#layout-status", /./);
  }

  /** @param {string} selector @param {RegExp} text */
  async function shows(selector, text) {
    const matches = (/** @type {string} */ s, /** @type {string} */ source) => {
      const element = /** @type {HTMLElement | null} */ (document.querySelector(s));
      return Boolean(element?.checkVisibility()) && new RegExp(source).test(element?.innerText ?? "");
    };
    await until(page, matches, selector, text.source).catch(async () => {
      const found = await page.evaluate((s) => /** @type {HTMLElement | null} */ (document.querySelector(s))?.innerText, selector);
      const alert = await page.evaluate(() => document.getElementById("alert")?.innerText);
      assert.fail(`${selector} does not show ${text}, but: ${found}. Alert: ${alert}. Console: ${complaints.join("; ")}`);
    });
  }

  /** @param {Record<string, string>} values of fields, as pasted */
  function fill(values) {
    return page.evaluate((fields) => {
      for (const [id, value] of Object.entries(fields)) {
        const field = /** @type {HTMLInputElement} */ (document.getElementById(id));
        field.value = value;
        for (const type of ["input", "change"]) field.dispatchEvent(new Event(type, { bubbles: true }));
      }
    }, values);
  }

  /** @param {string} position @param {string} [unit] */
  async function goTo(position, unit = "byte") {
    await fill({ position, unit });
    await page.focus("#position");
    await page.keyboard.press("Enter");
  }

  /** The digits of the row that begins at an offset. @param {string} offset in hexadecimal */
  const row = (offset) => page.evaluate((title) => {
    const found = [...document.querySelectorAll("#hex-grid .hex-row:not([hidden])")].find((r) => r.querySelector('[role="rowheader"]')?.textContent === title);
    return [...found?.querySelectorAll(".hex-byte") ?? []].map((cell) => cell.textContent).join(" ");
  }, offset);

  /** @param {string} offset @param {RegExp} digits */
  async function rowShows(offset, digits) {
    for (const deadline = Date.now() + 20_000; !digits.test(await row(offset));) {
      assert.ok(Date.now() < deadline, `the row ${offset} shows ${await row(offset)}`);
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }

  const isQuiet = () => assert.deepEqual(complaints, []);

  /** @param {string} key @param {number} times */
  async function press(key, times = 1) {
    for (let i = 0; i < times; i++) await page.keyboard.press(/** @type {any} */ (key));
  }

  test("the layout of 1 TiB, what its parts hold, and which blocks are in use", async () => {
    await inspect("sparse");
    await shows("#layout-status", /GUID partition table \(GPT\): 3 partitions, sectors of 512 bytes/);
    await shows("#parts-body", /Partition 1 “root”[^]*ext4[^]*root[^]*32 MiB[^]*Partition 2 “stick”[^]*FAT16[^]*STICK[^]*Partition 3 “big data”[^]*512 GiB[^]*Unallocated/);
    await shows("#map-summary", /^Data .*\(under 0\.1 %\).*holes 1024 GiB \(over 99\.9 %\)\./);
    assert.doesNotMatch(await page.$eval("#map-summary", (e) => e.textContent ?? ""), /sample/);
    await shows("#layout-note", /parts that would be too narrow/);
    assert.ok(await page.$eval("#layout-bar", (bar) => [...bar.children].every((part) => part.getBoundingClientRect().width >= 8)));
    assert.equal(await page.evaluate(() => document.activeElement?.id), "disk-title");
    await page.focus("#layout-bar button");
    await press("ArrowRight", 2);
    await shows("#layout-here", /^GPT entries: 16 KiB from byte 1\s024\./);
    await shots(page, `inspect-overview-${browser}`);
    isQuiet();
  });

  test("the bytes, from the first to the last", async () => {
    await page.click("#tab-bytes");
    await goTo("512");
    await rowShows("0000000200", /^45 46 49 20 50 41 52 54/);
    await shows("#structures-list", /GPT header at 0x200/);
    await page.click("#hex-last");
    await shows("#hex-where", /Byte 1\s099\s511\s627\s775, 0xffffffffff/);
    await goTo("-511");
    await rowShows("fffffffe00", /^45 46 49 20 50 41 52 54/);
    await shows("#structures-list", /GPT header at 0xfffffffe00/);
    await page.focus("#hex-grid");
    await page.keyboard.down("Control");
    await press("Home");
    await page.keyboard.up("Control");
    await shows("#hex-where", /^Byte 0, 0x0, in sector 0/);
    await press("PageDown");
    await shows("#hex-where", /^Byte [1-9]/);
    await goTo(String(farAway));
    await shows("#hex-where", /Byte 644\s245\s106\s745/);
    await shows("#meanings-body", /UTF-16\s+the far needle/);
    await press("i");
    await shows("#hex-status", /The byte is 74, 116\./);
    isQuiet();
  });

  test("positions relative to the cursor and to a part, and one that is none", async () => {
    await goTo("1k", "part-0");
    await shows("#hex-where", /Byte 1\s049\s600, 0x100400, in sector 2\s050, Partition 1 “root” \+ 0x400\. ext superblock: Inodes/);
    await goTo("+56");
    await shows("#hex-where", /ext superblock: Magic, 0xef53/);
    await shots(page, `inspect-bytes-${browser}`);
    await goTo("2T");
    assert.match(await page.$eval("#position", (field) => /** @type {HTMLInputElement} */ (field).validationMessage), /position on the disk, up to byte/);
    await goTo("0");
    isQuiet();
  });

  test("a selection by keyboard, and a bookmark that comes back with the disk", async () => {
    await goTo("512");
    await page.keyboard.down("Shift");
    await press("ArrowRight", 7);
    await page.keyboard.up("Shift");
    await shows("#hex-where", /^8 bytes selected, 0x200 to 0x207/);
    await until(page, () => document.querySelectorAll('#hex-grid [aria-selected="true"]').length === 8); // with the next frame
    await press("b");
    await until(page, () => document.activeElement?.id === "bookmark-name");
    await page.keyboard.type("The <b>header</b>");
    await press("Enter");
    await shows("#bookmarks-list", /The <b>header<\/b>/);
    await page.close();
    await inspect("sparse");
    await page.click("#tab-bytes");
    await page.evaluate(() => { for (const d of document.querySelectorAll("details")) d.open = true; });
    await shows("#bookmarks-list", /The <b>header<\/b> 0x200/);
    await page.click("#bookmarks-list button");
    await shows("#hex-where", /^8 bytes selected, 0x200 to 0x207/);
    isQuiet();
  });

  test("a selection is copied, and saved as a file", async () => {
    await page.evaluate(() => {
      Object.assign(globalThis, {
        copied: "",
        async showSaveFilePicker(/** @type {any} */ { suggestedName }) {
          return (await navigator.storage.getDirectory()).getFileHandle(suggestedName, { create: true });
        },
      });
      Object.defineProperty(navigator.clipboard, "writeText", { value: async (/** @type {string} */ text) => { Object.assign(globalThis, { copied: text }); } });
    });
    await page.click("#copy-hex");
    await shows("#hex-status", /8 bytes copied as hexadecimal/);
    await page.click("#copy-text");
    await shows("#hex-status", /8 bytes copied as text/);
    assert.equal(await page.evaluate(() => /** @type {any} */ (globalThis).copied), "EFI PART");
    await page.click("#save-selection");
    await shows("#hex-status", /8 bytes saved/);
    const saved = await page.evaluate(async () => {
      const file = await (await navigator.storage.getDirectory()).getFileHandle("disk-0x200-8.bin").then((handle) => handle.getFile());
      return file.text();
    });
    assert.equal(saved, "EFI PART");
    isQuiet();
  });

  test("the mouse chooses, the wheel goes by rows, the bar goes everywhere", async () => {
    await goTo("0");
    await rowShows("0000000010", /^00/);
    const box = async (/** @type {string} */ id) => page.$eval(id, (e) => { const { x, y, width, height } = e.getBoundingClientRect(); return { x: x + width / 2, y: y + height / 2 }; });
    const [from, to] = [await box("#byte-2-3"), await box("#byte-4-5")];
    await page.mouse.move(from.x, from.y);
    await page.mouse.down();
    await page.mouse.move(to.x, to.y, { steps: 4 });
    await page.mouse.up();
    await shows("#hex-where", /^35 bytes selected, 0x23 to 0x45/);
    await page.mouse.wheel({ deltaY: 1000 });
    await until(page, () => /^0000000[1-9a-f]/.test(document.querySelector('#hex-grid [role="rowheader"]')?.textContent ?? ""));
    await page.evaluate(() => { const bar = /** @type {HTMLElement} */ (document.getElementById("hex-bar")); bar.scrollTop = bar.scrollHeight; });
    await rowShows("fffffffff0", /^00 00/);
    isQuiet();
  });

  test("a search goes around holes, and its hits lead to the bytes", async () => {
    await page.click("#tab-search");
    await fill({ needle: farText.toUpperCase() });
    await page.click("#ignore-case");
    await page.click("#search-start");
    await shows("#search-status", /The search is done: one hit\./);
    await shows("#hits-body", /0x9600003039\s+UTF-16LE[^]*t\.h\.e\. \.f\.a\.r/);
    await page.click("#hits-body button");
    await shows("#hex-where", /^28 bytes selected, 0x9600003039 to 0x9600003054/);
    await page.click("#tab-overview");
    await page.click('#parts-body button[aria-label^="Search here: Partition 1"]');
    await fill({ needle: "a near needle", "needle-kind": "utf-8" });
    await page.click("#search-start");
    await shows("#search-status", /done: 120 hits/);
    await shows("#hits-note", /Hits 1 to 50 of 120/);
    await page.click("#hits-next");
    await shows("#hits-note", /Hits 51 to 100 of 120/);
    await fill({ needle: "5g", "needle-kind": "hex" });
    await page.click("#search-start");
    assert.match(await page.$eval("#needle", (field) => /** @type {HTMLInputElement} */ (field).validationMessage), /pairs of hexadecimal digits/);
    await shots(page, `inspect-search-${browser}`);
    isQuiet();
  });

  // Only Chromium tells of long tasks.
  if (browser === "chromium") test("scrolling through the disk and asking for its blocks hold nothing up", async () => {
    await page.click("#tab-overview");
    const longest = await longestTask(page, () => page.evaluate(async () => {
      const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
      const byId = (/** @type {string} */ id) => /** @type {HTMLButtonElement} */ (document.getElementById(id));
      byId("map-start").click();
      do await frame(); while (byId("map-start").disabled);
      byId("tab-bytes").click();
      for (let i = 0; i <= 60; i++) {
        byId("hex-bar").scrollTop = byId("hex-bar").scrollHeight * i / 60;
        await frame();
        byId("hex-grid").dispatchEvent(new WheelEvent("wheel", { deltaY: -200, cancelable: true }));
        await frame();
      }
    }));
    assert.ok(longest <= 50, `a task took ${longest} ms`);
  });

  test("every control has a name, and nothing is wider than a narrow screen", async () => {
    await page.setViewport({ width: 320, height: 640 }).catch(() => {});
    for (const tab of ["overview", "files", "bytes", "search"]) {
      await page.click(`#tab-${tab}`);
      await until(page, () => document.documentElement.scrollWidth <= 320).catch(async () => {
        assert.fail(`${tab} is ${await page.evaluate(() => document.documentElement.scrollWidth)} px wide`);
      });
    }
    const nameless = await page.$$eval("input, select, textarea, button", (controls) => controls
      .filter((c) => !c.getAttribute("aria-label") && !(c instanceof HTMLButtonElement ? c.textContent?.trim() : /** @type {HTMLInputElement} */ (c).labels?.length))
      .map((c) => c.outerHTML));
    assert.deepEqual(nameless, []);
    const dangling = await page.$$eval("[aria-describedby], [aria-labelledby], [aria-controls], [aria-activedescendant]", (elements) => elements
      .flatMap((e) => ["describedby", "labelledby", "controls", "activedescendant"].flatMap((name) => (e.getAttribute(`aria-${name}`) ?? "").split(" ").filter(Boolean)))
      .filter((id) => !document.getElementById(id)));
    assert.deepEqual(dangling, []);
    await page.close();
  });

  test("a bad sector hides itself alone", async () => {
    await inspect("bad");
    await shows("#layout-status", /No partition table: the disk is one part/);
    await page.click("#tab-bytes");
    await rowShows("00000000", /^00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 08/);
    await goTo("3", "sector");
    await rowShows("00000600", /^!! !! /);
    await rowShows("000005f0", /^00 00 00 00 00 00 05 f0/);
    await shows("#hex-bad-text", /rows in sight can’t be read, from 0x600 on: .*(EIO|error)/i);
    await shots(page, `inspect-bad-sector-${browser}`);
    await goTo("4", "sector");
    await rowShows("00000800", /^00 00 00 00 00 00 08 00/);
    await page.close();
  });

  test("a disk whose first sector is bad shows the others", async () => {
    await inspect("headless");
    await shows("#layout-problems", /Not all of the disk can be read.*EIO/);
    await page.click("#tab-bytes");
    await rowShows("00000000", /^!! !! /);
    await goTo("1", "sector");
    await rowShows("00000200", /^00 00 00 00 00 00 02 00/);
    await page.close();
  });

  test("an empty disk is said to be empty", async () => {
    await inspect("nothing");
    await page.click("#tab-bytes");
    await shows("#hex-where", /^The disk is empty\.$/);
    await page.focus("#hex-grid");
    for (const key of ["End", "ArrowDown", "i"]) await press(key);
    isQuiet();
    await page.close();
  });

  test("a disk that fails for a while can be read again", async () => {
    await inspect("broken");
    await page.click("#tab-bytes");
    await rowShows("00000000", /^00 00/);
    await writeFile(failing(), "");
    await goTo("1M");
    await rowShows("00100000", /^!! !! /);
    await rm(failing());
    await page.click("#hex-retry");
    await rowShows("00100000", /^00 00 00 00 00 10 00 00/);
    assert.equal(await page.$eval("#hex-bad", (e) => /** @type {HTMLElement} */ (e).hidden), true);
    await page.click("#disconnect");
    await shows("#status", /Not connected\./);
    assert.equal(await page.$eval("#disk", (e) => /** @type {HTMLElement} */ (e).hidden), true);
    await page.close();
  });
});
