// Devices behind URLs of the page's origin: what fetch, a synchronous
// XMLHttpRequest and the browser itself get from them.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { inEachBrowser } from "./browsers.js";
import { Lab, diskSize, pattern } from "./lab.js";
import { serveFolder } from "./site.js";

const folder = fileURLToPath(new URL("../..", import.meta.url));

/** A Worker that reads as old programs do. */
const reader = `onmessage = ({ data: { url, range } }) => {
  const xhr = new XMLHttpRequest();
  xhr.open("GET", url, false);
  xhr.setRequestHeader("Range", range);
  xhr.responseType = "arraybuffer";
  xhr.send();
  postMessage({ status: xhr.status, range: xhr.getResponseHeader("Content-Range"), bytes: [...new Uint8Array(xhr.response)] });
}`;

/** A Service Worker of a site's own, which tells when it began. */
const own = `importScripts("/client/range/sw.js");
  const born = crypto.randomUUID();
  addEventListener("message", (event) => event.data === "born?" && event.source.postMessage({ born }));`;

const pages = {
  "/": { body: "<!doctype html><title>empty</title>" },
  "/app/": { body: "<!doctype html><title>deep</title>" },
  "/reader.js": { type: "text/javascript", body: reader },
  "/own.js": { type: "text/javascript", body: own },
};

async function site() {
  const sw = await readFile(`${folder}/client/range/sw.js`);
  return serveFolder(folder, { pages: { ...pages, "/sw.js": { type: "text/javascript", body: sw } } });
}

/** Runs in the page: opens the disk and serves it; both stay on the page. */
async function serve(/** @type {any} */ { url, tls, readOnly = true, ...options }) {
  const { open } = await import(/** @type {any} */ ("/client/index.js"));
  const { serveViaServiceWorker } = await import(/** @type {any} */ ("/client/range/index.js"));
  const disk = await open(url, { tls, readOnly });
  const serving = await serveViaServiceWorker(disk, { script: "/sw.js", ...options });
  Object.assign(globalThis, { disk, serving });
  return serving.url;
}

/** Runs in the page. */
async function ask(/** @type {any} */ { url, ...init }) {
  const response = await fetch(url, init);
  const bytes = [...new Uint8Array(await response.arrayBuffer())];
  return { status: response.status, headers: Object.fromEntries(response.headers), bytes };
}

/** Runs in the page. */
async function askFromWorker(/** @type {any} */ message) {
  const worker = new Worker("/reader.js");
  const answer = await new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = (e) => reject(new Error(e.message));
    worker.postMessage(message);
  });
  worker.terminate();
  return answer;
}

inEachBrowser("range", ({ page: openPage, name: browser }) => {
  /** @type {Lab} */ let lab;
  /** @type {Awaited<ReturnType<typeof serveFolder>>} */ let web;
  /** @type {any} */ let options;
  before(async () => {
    [lab, web] = [await Lab.create(), await site()];
    const pki = await lab.pki(browser);
    const { target } = await lab.nbdkit(await lab.disk("disk.img"), pki);
    const bridge = await lab.bridge({ lab: target }, "--origin", web.origin);
    options = { url: bridge.url("lab"), tls: { ca: pki.ca, serverName: pki.serverName, cert: pki.cert, key: pki.key } };
  });
  after(async () => {
    await web?.close();
    await lab?.close();
  });

  test("fetch gets ranges, the whole, and what a web server says of them", async () => {
    const page = await openPage(`${web.origin}/`);
    const url = await page.evaluate(serve, options);
    const one = await page.evaluate(ask, { url, headers: { Range: "bytes=1000-5999" } });
    assert.equal(one.status, 206);
    assert.ok(pattern(1000, 5000).equals(Uint8Array.from(one.bytes)));
    console.log(one.headers);
    const xhr = await page.evaluate(askFromWorker, { url, range: "bytes=-600" });
    assert.deepEqual([xhr.status, xhr.range], [206, `bytes ${diskSize - 600}-${diskSize - 1}/${diskSize}`]);
    assert.ok(pattern(diskSize - 600, 600).equals(Uint8Array.from(xhr.bytes)));
    await page.close();
  });
});
