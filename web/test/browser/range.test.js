// Devices behind URLs of the page's origin: what fetch, a synchronous
// XMLHttpRequest and the browser itself get from them.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { inEachBrowser, until } from "./browsers.js";
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

/** A Worker that has the disk, and hands it to the page. */
const holder = `import { open } from "/client/index.js";
  import { handleOf } from "/client/handle.js";
  onmessage = async ({ data: { url, tls } }) => {
    const handle = handleOf(await open(url, { tls }));
    postMessage(handle, [handle]);
  };`;

const pages = {
  "/": { body: "<!doctype html><title>empty</title>" },
  "/app/": { body: "<!doctype html><title>deep</title>" },
  "/device.js": { type: "text/javascript", body: holder },
  "/reader.js": { type: "text/javascript", body: reader },
  "/own.js": { type: "text/javascript", body: own },
};

/** All of it is isolated: what comes from a disk must be fit for that. */
const headers = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };

async function site() {
  const sw = await readFile(`${folder}/client/range/sw.js`);
  return serveFolder(folder, { headers, pages: { ...pages, "/sw.js": { type: "text/javascript", body: sw } } });
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

/** Runs in the page: the whole disk, and whether each word of it holds its offset. */
async function readWhole(/** @type {string} */ url) {
  let [at, wrong] = [0, 0];
  const reader = /** @type {ReadableStream<Uint8Array>} */ ((await fetch(url)).body).getReader();
  for (let part; !(part = await reader.read()).done;) {
    for (const byte of part.value) {
      if (byte !== Math.floor((at - at % 8) / 256 ** (7 - at % 8)) % 256) wrong++;
      at++;
    }
  }
  return { at, wrong };
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

/** Runs in the page: the disk is a Worker's. */
async function serveOfWorker(/** @type {any} */ options) {
  const { deviceOf } = await import(/** @type {any} */ ("/client/handle.js"));
  const { serveViaServiceWorker } = await import(/** @type {any} */ ("/client/range/index.js"));
  const worker = new Worker("/device.js", { type: "module" });
  const handle = await new Promise((resolve) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.postMessage(options);
  });
  return (await serveViaServiceWorker(await deviceOf(handle), { script: "/sw.js" })).url;
}

/** Runs in the page. @param {string} url */
async function takeOne(url) {
  const reader = /** @type {ReadableStream<Uint8Array>} */ ((await fetch(url)).body).getReader();
  await reader.read();
  Object.assign(globalThis, { reader });
}

/** Runs in the page: leaves in the middle. */
async function leave() {
  await /** @type {any} */ (globalThis).reader.cancel();
}

/** Runs in the page: tells whether nothing was read since the last call. */
function isQuiet() {
  const state = /** @type {any} */ (globalThis);
  const { bytesRead, inFlight } = state.disk.stats();
  const quiet = inFlight === 0 && state.before === bytesRead;
  state.before = bytesRead;
  return quiet && bytesRead < state.disk.size;
}

/** Runs in the page: everything that would run bytes of the disk. */
async function tryToRun(/** @type {string} */ url) {
  const loaded = (/** @type {any} */ element) => new Promise((resolve) => {
    element.onload = () => resolve("loaded");
    element.onerror = () => resolve("refused");
    document.body.append(element);
  });
  const workerOf = (/** @type {WorkerOptions} */ options) => new Promise((resolve) => {
    const worker = new Worker(url, options);
    worker.onmessage = () => resolve("ran");
    worker.onerror = () => resolve("refused");
  });
  const results = {
    script: await loaded(Object.assign(document.createElement("script"), { src: url })),
    module: await loaded(Object.assign(document.createElement("script"), { src: url, type: "module" })),
    style: await loaded(Object.assign(document.createElement("link"), { href: url, rel: "stylesheet" })),
    import: await import(url).then(() => "ran", () => "refused"),
    worker: await workerOf({}),
    moduleWorker: await workerOf({ type: "module" }),
  };
  return { ...results, ran: "ran" in globalThis };
}

/** Runs in the page. @param {any} options */
const refusal = async (options) => {
  const { serveViaServiceWorker } = await import(/** @type {any} */ ("/client/range/index.js"));
  return serveViaServiceWorker(/** @type {any} */ (globalThis).disk, options).then(() => "served", (/** @type {any} */ e) => `${e.code}: ${e.message}`);
};

/** Runs in the page: a Service Worker of the site's own tells when it was born. */
async function born() {
  const { serviceWorker } = navigator;
  return new Promise((resolve) => {
    serviceWorker.addEventListener("message", ({ data }) => data.born && resolve(data.born));
    serviceWorker.startMessages();
    serviceWorker.controller?.postMessage("born?");
  });
}

/**
 * What a browser does by itself to a Service Worker that is idle. Chromium has a
 * command for it; Firefox has none, and is told to wait only for a moment.
 */
const prefs = { "dom.serviceWorkers.idle_timeout": 200, "dom.serviceWorkers.idle_extended_timeout": 200 };

/** @param {import("puppeteer-core").Page} page @param {string} browser */
async function stop(page, browser) {
  if (browser !== "chromium") return;
  const session = await page.createCDPSession();
  await session.send("ServiceWorker.enable");
  await session.send("ServiceWorker.stopAllWorkers");
  await session.detach();
}

/** @param {string} browser */
async function prepare(browser, content = pattern(0, diskSize)) {
  const [lab, web] = [await Lab.create(), await site()];
  const pki = await lab.pki(browser);
  const { target } = await lab.nbdkit(await lab.disk("disk.img", content), pki);
  const bridge = await lab.bridge({ lab: target }, "--origin", web.origin);
  const options = { url: bridge.url("lab"), tls: { ca: pki.ca, serverName: pki.serverName, cert: pki.cert, key: pki.key } };
  const close = async () => {
    await web.close();
    await lab.close();
  };
  return { web, options, close };
}

inEachBrowser("range", ({ page: openPage, name: browser }) => {
  /** @type {Awaited<ReturnType<typeof prepare>>} */ let world;
  /** @type {string} */ let home;
  /** @type {any} */ let options;
  before(async () => {
    world = await prepare(browser);
    options = world.options;
    home = `${world.web.origin}/`;
  });
  after(() => world?.close());

  test("fetch gets what a web server gives", async () => {
    const page = await openPage(home);
    const url = await page.evaluate(serve, options);
    const { headers: { etag, ...headers } } = await page.evaluate(ask, { url, method: "HEAD" });
    assert.deepEqual(headers, {
      "accept-ranges": "bytes", "content-length": `${diskSize}`, "content-disposition": 'attachment; filename="disk.img"',
      "content-type": "application/octet-stream", "x-content-type-options": "nosniff", "content-security-policy": "sandbox", "cache-control": "no-store",
      "cross-origin-resource-policy": "same-origin", "cross-origin-embedder-policy": "require-corp", "referrer-policy": "no-referrer",
    });
    /** @type {[Record<string, string>, number, string | undefined, number, number][]} */
    const table = [
      [{ Range: "bytes=1000-5999" }, 206, `bytes 1000-5999/${diskSize}`, 1000, 5000],
      [{ Range: "bytes=-600" }, 206, `bytes ${diskSize - 600}-${diskSize - 1}/${diskSize}`, diskSize - 600, 600],
      [{ Range: `bytes=${diskSize - 1}-` }, 206, `bytes ${diskSize - 1}-${diskSize - 1}/${diskSize}`, diskSize - 1, 1],
      [{ Range: "bytes=0-4", "If-Range": etag }, 206, `bytes 0-4/${diskSize}`, 0, 5],
      [{ "If-None-Match": etag }, 304, undefined, 0, 0],
    ];
    for (const [headers, status, range, offset, length] of table) {
      const answer = await page.evaluate(ask, { url, headers });
      assert.deepEqual([answer.status, answer.headers["content-range"]], [status, range], JSON.stringify(headers));
      assert.ok(pattern(offset, length).equals(Uint8Array.from(answer.bytes)), JSON.stringify(headers));
    }
    const beyond = await page.evaluate(ask, { url, headers: { Range: `bytes=${diskSize}-` } });
    assert.deepEqual([beyond.status, beyond.headers["content-range"]], [416, `bytes */${diskSize}`]);
    const several = await page.evaluate(ask, { url, headers: { Range: "bytes=8-15,5000000-5000007" } });
    const text = Buffer.from(several.bytes).toString("latin1");
    assert.deepEqual([several.status, several.headers["content-length"]], [206, `${several.bytes.length}`]);
    for (const offset of [8, 5_000_000]) {
      assert.ok(text.includes(`Content-Range: bytes ${offset}-${offset + 7}/${diskSize}\r\n\r\n${pattern(offset, 8).toString("latin1")}\r\n`));
    }
    assert.deepEqual(await page.evaluate(readWhole, url), { at: diskSize, wrong: 0 });
    const other = await page.evaluate(ask, { url: "/reader.js" });
    assert.equal(Buffer.from(other.bytes).toString(), reader);
    await page.close();
  });

  test("a synchronous XMLHttpRequest in a Worker reads the disk, a Worker's too", async () => {
    for (const how of [serve, serveOfWorker]) {
      const page = await openPage(home);
      const url = await page.evaluate(how, options);
      const { bytes, ...head } = await page.evaluate(askFromWorker, { url, range: "bytes=1000001-1070000" });
      assert.deepEqual(head, { status: 206, range: `bytes 1000001-1070000/${diskSize}` });
      assert.ok(pattern(1_000_001, 70_000).equals(Uint8Array.from(bytes)));
      await page.close();
    }
  });

  test("a reader that leaves ends the reads", async () => {
    const page = await openPage(home);
    const url = await page.evaluate(serve, options);
    await page.evaluate(takeOne, url);
    await page.evaluate(leave);
    await until(page, isQuiet);
    await page.close();
  });

  test("several tabs serve at once; the end of one is not that of the others", async () => {
    const [one, two] = [await openPage(home), await openPage(`${home}app/`)];
    const urls = [await one.evaluate(serve, options), await two.evaluate(serve, { ...options, path: "app/disks" })];
    const headers = { Range: "bytes=8-15" };
    for (const page of [one, two]) {
      for (const url of urls) assert.ok(pattern(8, 8).equals(Uint8Array.from((await page.evaluate(ask, { url, headers })).bytes)));
    }
    await one.close();
    assert.equal((await two.evaluate(ask, { url: urls[0], headers })).status, 404);
    assert.equal((await two.evaluate(ask, { url: urls[1], headers })).status, 206);
    await two.evaluate(() => /** @type {any} */ (globalThis).serving.close());
    assert.equal((await two.evaluate(ask, { url: urls[1], headers })).status, 404);
    await two.close();
  });

  test("a page that is out of scope is told what to do", async () => {
    const page = await openPage(home);
    await page.evaluate(serve, options);
    assert.match(await page.evaluate(refusal, {}), /^INVALID_ARGUMENT: The page \/ is outside of \/client\/range\/.*Copy sw\.js/);
    assert.match(await page.evaluate(refusal, { script: "/missing.js" }), /^WASM_LOAD: .*\/missing\.js could not be registered/);
    assert.match(await page.evaluate(refusal, { script: "/client/range/sw.js", scope: "/" }), /^WASM_LOAD: .*Service-Worker-Allowed/);
    await page.close();
  });
});

inEachBrowser("range, where the Service Worker is killed,", ({ page: openPage, name: browser }) => {
  /** @type {Awaited<ReturnType<typeof prepare>>} */ let world;
  before(async () => { world = await prepare(browser); });
  after(() => world?.close());

  test("goes on, in a Service Worker of the site's own", async () => {
    const page = await openPage(`${world.web.origin}/`);
    const url = await page.evaluate(serve, { ...world.options, script: "/own.js" });
    const lives = new Set([await page.evaluate(born)]);
    for (let i = 0; i < 3; i++) {
      await stop(page, browser);
      for (const deadline = Date.now() + 30_000, { size } = lives; lives.size === size && Date.now() < deadline;) {
        await new Promise((resolve) => setTimeout(resolve, 500)); // asked sooner, it would never be idle
        const { bytes } = await page.evaluate(askFromWorker, { url, range: `bytes=${i * 512}-${i * 512 + 511}` });
        assert.ok(pattern(i * 512, 512).equals(Uint8Array.from(bytes)));
        lives.add(await page.evaluate(born));
      }
    }
    assert.equal(lives.size, 4);
    await page.close();
  });
}, { prefs });

inEachBrowser("range, over a disk of programs,", ({ page: openPage, name: browser }) => {
  /** @type {Awaited<ReturnType<typeof prepare>>} */ let world;
  before(async () => { world = await prepare(browser, Buffer.from("globalThis.ran = true; postMessage(1);".padEnd(1 << 20))); });
  after(() => world?.close());

  test("nothing of it runs", async () => {
    const page = await openPage(`${world.web.origin}/`);
    const url = await page.evaluate(serve, { ...world.options, name: "program.js" });
    const refused = ["script", "module", "style", "import", "worker", "moduleWorker"].map((how) => [how, "refused"]);
    assert.deepEqual(await page.evaluate(tryToRun, url), { ...Object.fromEntries(refused), ran: false });
    await page.close();
  });
});
