// The launcher page, used as people use it: `bridge demo` as it is, and a form
// filled by hand for a foreign server behind `bridge serve`.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";
import { after, before, test } from "node:test";
import { inEachBrowser, until } from "./browsers.js";
import { Lab, diskSize, pattern } from "./lab.js";
import { bridgeBinary, freePort } from "./processes.js";
import { shots } from "./shots.js";

/**
 * Waits until the text of an element matches.
 * @param {import("puppeteer-core").Page} page
 * @param {string} selector
 * @param {RegExp} text
 */
async function shows(page, selector, text) {
  const matches = (/** @type {string} */ s, /** @type {string} */ source) => {
    const element = /** @type {HTMLElement | null} */ (document.querySelector(s));
    return Boolean(element?.checkVisibility()) && new RegExp(source).test(element?.innerText ?? "");
  };
  await until(page, matches, selector, text.source).catch(async () => {
    const found = await page.evaluate((s) => /** @type {HTMLElement | null} */ (document.querySelector(s))?.innerText, selector);
    assert.fail(`${selector} does not show ${text}, but: ${found}`);
  });
}

/** @param {import("puppeteer-core").Page} page */
const focused = (page) => page.evaluate(() => document.activeElement?.id);

/**
 * Fills a field as pasting does.
 * @param {import("puppeteer-core").Page} page
 * @param {Record<string, string>} values
 */
function fill(page, values) {
  return page.evaluate((fields) => {
    for (const [id, value] of Object.entries(fields)) {
      const field = /** @type {HTMLInputElement} */ (document.getElementById(id));
      field.value = value;
      field.dispatchEvent(new Event("input", { bubbles: true }));
      field.dispatchEvent(new Event("change", { bubbles: true }));
    }
  }, values);
}

inEachBrowser("the launcher", ({ name: browser, page: openPage }) => {
  /** @type {Lab} */ let lab;
  /** @type {import("puppeteer-core").Page} */ let page;
  /** What the page complained of. @type {string[]} */
  let complaints;

  /** @param {string} url */
  async function visit(url) {
    page = await openPage("about:blank");
    complaints = [];
    page.on("pageerror", (error) => complaints.push(String(error)));
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warn") complaints.push(message.text());
    });
    await page.goto(url);
    await shows(page, "#status", /./); // the form is made by then
  }

  before(async () => {
    lab = await Lab.create();
  });
  after(() => lab.close());

  test("the demo shows its disk after one click", async () => {
    const { url, kill } = await startDemo();
    await visit(url);
    await shows(page, "#demo-notice", /proves nothing about a hostile bridge/);
    await shows(page, "#exports-list", /sample/);
    await page.click("#exports-list button");
    await shows(page, "#tls-mark", /Encrypted from this page to the NBD server/);
    await shows(page, "#tls-facts", /TLS 1\.3[^]*nbd\.demo[^]*the CA given/);
    await shows(page, "#facts", /sample[^]*33\s554\s432 bytes[^]*read-only, as this page opens disks/);
    await shows(page, "#sector-status", /^Sector 0 of 0–65\s535.*boot signature 55 AA/);
    await shows(page, "#hex-rows tr:last-child", /55 aa/i);
    assert.equal(await focused(page), "disk-title");
    assert.deepEqual(complaints, []);
    await shots(page, `launcher-demo-${browser}`);
    await loseTheServer(kill);
  });

  async function startDemo() {
    const port = await freePort();
    const process = await lab.processes.start({ port, host: "127.0.0.1" }, bridgeBinary, "demo", "--listen", `127.0.0.1:${port}`);
    return { ...process, url: `http://127.0.0.1:${port}/demo/` };
  }

  /** What is on the screen stays, until the user has enough. @param {() => Promise<void>} kill */
  async function loseTheServer(kill) {
    await kill();
    await shows(page, "#outage", /The connection is lost\. What you see is from before\.[^]*attempt \d/);
    await shots(page, `launcher-outage-${browser}`);
    await page.click("#stop");
    await shows(page, "#disk-note", /No disk is open/);
    await shows(page, "#status", /Not connected\./);
    await page.click("#connect button[type=submit]"); // to nobody: the client's files came from there too
    await shows(page, "#alert", /could not be opened\. (WASM_LOAD|BRIDGE_UNREACHABLE)[^]*(server still runs|bridge)/);
    await shots(page, `launcher-alert-${browser}`, { whole: false });
    await page.keyboard.press("Escape");
    assert.equal(await page.$eval("#alert", (alert) => /** @type {HTMLElement} */ (alert).hidden), true);
    await page.close();
  }

  test("a foreign server behind a bridge, by keyboard, through a restart of the bridge", async () => {
    const pki = await lab.pki("pki");
    const server = await lab.nbdkit(await lab.disk("disk.img"), pki);
    const bridge = await lab.bridge({ lab7: server.target });
    await visit(bridge.page);
    await shows(page, "#status", /Not connected\./);
    await fill(page, { target: "lab7", "server-name": pki.serverName, ca: (await lab.pki("stranger")).ca, cert: pki.cert, key: pki.key });
    await page.focus("#target");
    await page.keyboard.press("Enter");
    await shows(page, "#alert", /could not be opened\. TLS_UNTRUSTED/);
    assert.equal(await focused(page), "alert");
    await page.click("#alert button"); // Show the field
    assert.equal(await focused(page), "ca");

    await fill(page, { ca: pki.ca });
    await page.focus("#server-name");
    await page.keyboard.press("Enter");
    await shows(page, "#sector-status", /^Sector 0 of/);
    await walk();
    await restart(bridge, server, pki);
    await page.click("#stop");
    await shows(page, "#disk-note", /No disk is open/);
    assert.equal(await focused(page), "list");
    await page.close();
  });

  async function walk() {
    await page.focus("#hex");
    await page.keyboard.press("PageDown");
    await shows(page, "#sector-status", /^Sector 1 of/);
    await shows(page, "#hex-rows tr:first-child", /00 00 00 00 00 00 02 00/); // the pattern holds its own offsets
    await page.keyboard.press("End");
    await shows(page, "#sector-status", /^Sector 16\s383 of 0–16\s383/);
    await page.keyboard.press("PageDown"); // stays in the disk
    await page.keyboard.press("Home");
    await shows(page, "#sector-status", /^Sector 0 of/);
    await fill(page, { position: "0x7c08", unit: "byte" });
    await page.focus("#position");
    await page.keyboard.press("Enter");
    await shows(page, "#sector-status", /^Sector 62 of/);
    await shows(page, "#hex-rows tr.here", /00 00 00 00 00 00 7c 08/i);
    await fill(page, { position: String(diskSize) });
    await page.focus("#position");
    await page.keyboard.press("Enter");
    assert.match(await page.$eval("#position", (field) => /** @type {HTMLInputElement} */ (field).validationMessage), /from 0 to 8\s388\s607/);
    await shows(page, "#sector-status", /^Sector 62 of/);
  }

  /**
   * The bridge dies and comes back at the same place, first with the same disk
   * behind it and then with another; the page finds back to the sector that it
   * showed, and is not deceived.
   * @param {{port: number, kill: () => Promise<void>}} bridge
   * @param {{target: string}} server
   * @param {{dir: string}} pki
   */
  async function restart({ port, kill }, server, pki) {
    const start = (/** @type {string} */ target) => lab.processes.start({ port, host: "127.0.0.1" },
      bridgeBinary, "serve", "--ui", "--listen", `127.0.0.1:${port}`, "--target", `lab7=${target}`);
    assert.deepEqual(complaints, []);
    await kill();
    await shows(page, "#outage", /The connection is lost/);
    const again = await start(server.target);
    await until(page, () => document.querySelector("#outage")?.matches(".idle"));
    await shows(page, "#status", /Connected\./);
    await page.focus("#hex");
    await page.keyboard.press("PageDown");
    await shows(page, "#sector-status", /^Sector 63 of/);
    await again.kill();
    const other = await lab.nbdkit(await lab.disk("other.img", pattern(0, diskSize / 2)), pki);
    const wrong = await start(other.target);
    await shows(page, "#alert", /The connection was lost\. IDENTITY/);
    await shows(page, "#status", /Not connected\./);
    assert.equal(await page.$eval("#disk-open", (shown) => /** @type {HTMLElement} */ (shown).inert && shown.checkVisibility()), true);
    assert.equal(await page.$("#outage"), null);
    await wrong.kill();
    await start(server.target);
    await page.click("#alert button"); // Reconnect
    await shows(page, "#status", /Connected\./);
    await shows(page, "#sector-status", /^Sector 63 of/);
    await shows(page, "#hex-rows", /00 00 00 00 00 00 7e 08/i);
  }

  test("a link fills in where it leads, and nothing else", async () => {
    const bridge = await lab.bridge({ none: "tcp://127.0.0.1:1" });
    await visit(`${bridge.page}#bridge=ws://b.example/nbd/&target=t%E2%80%AEx&export=e&mode=off&insecure=1&ca=mine&%zz`);
    await shows(page, "#link-notice", /A link has filled in this form.*ws:\/\/b\.example\/nbd\/, target t⟨202E⟩x, export e.*Nothing is connected yet/);
    assert.deepEqual(await page.$$eval("#bridge, #target, #export, #ca, #mode", (fields) => fields.map((f) => /** @type {HTMLInputElement} */ (f).value)),
      ["ws://b.example/nbd/", "t\u202Ex", "e", "require", ""]);
    assert.equal(await page.$eval("#insecure", (box) => /** @type {HTMLInputElement} */ (box).checked), false);
    await shows(page, "#status", /Not connected\./);
    assert.equal(await page.$eval("#alert", (alert) => /** @type {HTMLElement} */ (alert).hidden), true);
    assert.deepEqual(complaints, []);
    await shots(page, `launcher-link-${browser}`);
    await page.close();
  });

  test("a link connects to nothing, with the keys of the demo at hand, until the user does", async () => {
    const { url, kill } = await startDemo();
    let connections = 0;
    const tempting = createServer((socket) => { connections++; socket.destroy(); });
    await once(tempting.listen(0, "127.0.0.1"), "listening");
    const foreign = `ws://127.0.0.1:${/** @type {import("node:net").AddressInfo} */ (tempting.address()).port}/nbd/`;
    await visit(`${url}#${new URLSearchParams({ bridge: foreign, target: "demo" })}`);
    await shows(page, "#link-notice", new RegExp(`It says: bridge ${foreign}, target demo\\.`));
    await shows(page, "#status", /Not connected\./);
    await shows(page, "#exports-note", /Not listed yet/);
    await fill(page, { export: "sample" });
    await page.focus("nav a:last-child");
    const href = await page.$eval("nav a:last-child", (a) => /** @type {HTMLAnchorElement} */ (a).href);
    assert.equal(href, `${new URL("forensics/", url)}#${new URLSearchParams({ bridge: foreign, target: "demo", export: "sample" })}`);
    assert.equal(await page.$eval("nav [aria-current=page]", (a) => a.textContent), "Disk");
    assert.deepEqual([connections, complaints], [0, []]);
    await page.click("#list");
    await shows(page, "#alert", /could not be listed\. BRIDGE_UNREACHABLE/);
    assert.ok(connections > 0, "the listener would have seen a connection");
    await page.close();
    await kill();
    await new Promise((resolve) => tempting.close(resolve));
  });

  test("what the user gives up ends, and what comes next is shown", async () => {
    const server = await lab.nbdkit(await lab.disk("slow.img"));
    const bridge = await lab.bridge({ plain: server.target });
    await visit(bridge.page);
    await fill(page, { target: "plain", mode: "off" });
    await page.evaluate(() => {
      const click = (/** @type {string} */ id) => document.getElementById(id)?.click();
      for (const id of ["open", "stop", "open", "list", "open", "stop", "open"]) click(id);
    });
    await shows(page, "#sector-status", /^Sector 0 of/);
    await shows(page, "#status", /Connected\./);
    await page.evaluate(() => document.getElementById("stop")?.click());
    await shows(page, "#status", /Not connected\./);
    await shows(page, "#disk-note", /No disk is open/);
    assert.deepEqual(complaints, []);
    assert.equal(await page.$eval("#alert", (alert) => /** @type {HTMLElement} */ (alert).hidden), true);
    await page.close();
  });

  test("without TLS the page says what that means", async () => {
    const server = await lab.nbdkit(await lab.disk("plain.img"));
    const bridge = await lab.bridge({ plain: server.target });
    await visit(bridge.page);
    await fill(page, { target: "plain" });
    await page.click("#list");
    assert.equal(await focused(page), "ca", "without a trust anchor nothing is dialled");
    await fill(page, { mode: "off" });
    await shows(page, "#mode-hint", /can read and change everything/);
    await page.click("#connect button[type=submit]");
    await shows(page, "#tls-mark", /Not encrypted: the bridge sees every byte/);
    assert.deepEqual(complaints, []);
    await fitsNarrowScreens();
    await page.close();
  });

  async function fitsNarrowScreens() {
    await page.setViewport({ width: 320, height: 640 }).catch((error) => {
      // Firefox 140 sets the size and does not know the orientation that goes with it.
      if (!/setScreenOrientationOverride/.test(error.message)) throw error;
    });
    await shows(page, "#hex-rows tr:nth-child(2)", /^0*8\b/); // 8 bytes in a row
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(width <= 320, `the page is ${width} px wide on a screen of 320 px`);
  }

  test("every control has a name", async () => {
    const bridge = await lab.bridge({ none: "tcp://127.0.0.1:1" });
    await visit(bridge.page);
    const nameless = await page.$$eval("input, select, textarea, button", (controls) => controls
      .filter((c) => !c.getAttribute("aria-label") && !(c instanceof HTMLButtonElement ? c.textContent?.trim() : /** @type {HTMLInputElement} */ (c).labels?.length))
      .map((c) => c.outerHTML));
    assert.deepEqual(nameless, []);
    const dangling = await page.$$eval("[aria-describedby], [aria-labelledby]", (elements) => elements
      .flatMap((e) => `${e.getAttribute("aria-describedby") ?? ""} ${e.getAttribute("aria-labelledby") ?? ""}`.split(" ").filter(Boolean))
      .filter((id) => !document.getElementById(id)));
    assert.deepEqual(dangling, []);
    await page.close();
  });
});
