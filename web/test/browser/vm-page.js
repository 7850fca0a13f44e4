// The machine's page as people use it: over a web server that has V86's files.
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { bios, wasmOf } from "../guest/grub.js";
import { serveFolder } from "./site.js";

/** @typedef {import("puppeteer-core").Page} Page */

const web = new URL("../../", import.meta.url).pathname;

/**
 * The site with V86 beside the page, as `make demo-vm` has it.
 * @param {import("./lab.js").Lab} lab whose bridge tells what policy the page has
 * @param {{v86?: boolean}} [options]
 */
export async function serveVm(lab, { v86 = true } = {}) {
  const bridge = await lab.bridge({ none: "tcp://127.0.0.1:1" });
  const policy = (await fetch(`${bridge.page}vm/`)).headers.get("Content-Security-Policy") ?? "";
  const folder = "/demo/vm/v86/";
  /** @type {Record<string, import("./site.js").Page>} */
  const files = v86 ? {
    [`${folder}libv86.mjs`]: { type: "text/javascript", body: await readFile(join(dirname(wasmOf("v86")), "libv86.mjs")) },
    [`${folder}v86.wasm`]: { type: "application/wasm", body: await readFile(wasmOf("v86")) },
    [`${folder}bios.bin`]: { type: "application/octet-stream", body: await readFile(bios.bios) },
    [`${folder}vgabios.bin`]: { type: "application/octet-stream", body: await readFile(bios.vga_bios) },
  } : { [`${folder}libv86.mjs`]: /** @type {any} */ ({}) }; // not here, also where `make demo-vm` was run
  return serveFolder({ client: join(web, "client"), demo: join(web, "demo") }, { pages: files, headers: { "Content-Security-Policy": policy } });
}

/**
 * Fills fields as pasting does.
 * @param {Page} page
 * @param {Record<string, string>} values
 */
export function fill(page, values) {
  return page.evaluate((fields) => {
    for (const [id, value] of Object.entries(fields)) {
      const field = /** @type {HTMLInputElement} */ (document.getElementById(id));
      field.value = value;
      field.dispatchEvent(new Event("input", { bubbles: true }));
      field.dispatchEvent(new Event("change", { bubbles: true }));
    }
  }, values);
}

/**
 * Waits for something to be so in the page, and tells what is there if it isn't.
 * @param {Page} page
 * @param {string} selector
 * @param {RegExp} text
 * @param {number} [limit] milliseconds
 */
export async function shows(page, selector, text, limit = 30_000) {
  const matches = (/** @type {string} */ s, /** @type {string} */ source) => {
    const found = /** @type {HTMLElement | null} */ (document.querySelector(s));
    return Boolean(found?.checkVisibility()) && new RegExp(source).test(found?.innerText ?? "");
  };
  for (const deadline = Date.now() + limit; !(await page.evaluate(matches, selector, text.source)); ) {
    if (Date.now() > deadline) throw new Error(`${selector} does not show ${text}. The page: ${await page.evaluate(() => document.body.innerText)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Sends a line to the machine's serial console. @param {Page} page @param {string} line */
export async function say(page, line) {
  await fill(page, { "serial-line": line });
  await click(page, "serial-send");
}

/** Presses a button that can be pressed. @param {Page} page @param {string} id */
export async function click(page, id) {
  for (const deadline = Date.now() + 30_000; !(await page.$(`#${id}:not(:disabled)`)); ) {
    if (Date.now() > deadline) throw new Error(`#${id} stays disabled. The page: ${await page.evaluate(() => document.body.innerText)}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  await page.evaluate((i) => /** @type {HTMLButtonElement} */ (document.getElementById(i)).click(), id);
}

/** Presses a button, and the one of the question that follows. @param {Page} page @param {string} id */
export async function confirm(page, id) {
  await click(page, id);
  await shows(page, "dialog", /\S/);
  await page.click("dialog button.danger");
}

/** @param {Page} page @param {string} phase of the machine @param {number} [limit] */
export async function phase(page, phase, limit = 30_000) {
  for (const deadline = Date.now() + limit; (await page.evaluate(() => document.body.dataset.phase)) !== phase; ) {
    if (Date.now() > deadline) throw new Error(`the machine is not ${phase}. The page: ${await page.evaluate(() => document.body.innerText)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
