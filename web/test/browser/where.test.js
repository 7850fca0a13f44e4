// Where the client runs: under a strict policy, in a Worker, from another
// origin, and how it says that its files are not what they should be.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { inEachBrowser } from "./browsers.js";
import { Lab, diskSize } from "./lab.js";
import { serveFolder } from "./site.js";

const client = new URL("../../client", import.meta.url).pathname;

/** Runs in the page: opens a disk, and tells its size or how it failed. */
async function attempt(/** @type {any} */ { from = "/index.js", own, modules, times = 1, url, options }) {
  const { open } = await import(/** @type {any} */ (from));
  const worker = own && (() => new Worker(own, { type: "module" }));
  const wasm = modules ? await WebAssembly.compileStreaming(fetch("/nbd.wasm")) : undefined;
  try {
    for (let i = 1; ; i++) {
      const disk = await open(url, { ...(worker ? { worker } : {}), ...(wasm ? { wasm } : {}), ...options });
      await disk.close();
      if (i === times) return disk.size;
    }
  } catch (error) {
    const { code, message } = /** @type {any} */ (error);
    return `${code} ${message}`;
  }
}

/** Runs in the page: has a Worker do it. */
function nested(/** @type {any} */ job) {
  return new Promise((resolve, reject) => {
    const worker = new Worker("/nested.js", { type: "module" });
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = (event) => reject(new Error(event.message || "the Worker did not start"));
    worker.postMessage(job);
  });
}

/** What docs/javascript.md says is needed. @param {string} bridge */
const policy = (bridge) => ({ "default-src": "'none'", "script-src": "'self' 'wasm-unsafe-eval'", "worker-src": "'self'", "connect-src": `'self' ${bridge}` });

inEachBrowser("the client", ({ page: openPage }) => {
  /** @type {Lab} */ let lab;
  /** @type {Awaited<ReturnType<Lab["bridge"]>>} */ let bridge;
  /** @type {any} */ let job;
  /** @type {Awaited<ReturnType<typeof serveFolder>>} */ let site;
  /** @type {import("node:http").OutgoingHttpHeaders} */ const headers = {};
  /** @type {Record<string, import("./site.js").Page>} */ const pages = { "/": { body: "<!doctype html><title>where</title>" } };

  before(async () => {
    lab = await Lab.create();
    const pki = await lab.pki("pki");
    site = await serveFolder(client, { pages, headers });
    const { target } = await lab.nbdkit(await lab.disk("disk.img"), pki);
    bridge = await lab.bridge({ lab: target }, "--origin", site.origin);
    job = { url: bridge.url("lab"), options: { tls: { ca: pki.ca, serverName: pki.serverName, cert: pki.cert, key: pki.key } } };
    pages["/nested.js"] = { type: "text/javascript", body: `${attempt}; onmessage = async ({ data }) => postMessage(await attempt(data));` };
    pages["/fallback.wasm"] = { body: "<!doctype html><title>not found</title>" };
    pages["/text.wasm"] = { type: "text/plain", body: "no such file" };
    pages["/lie.wasm"] = { type: "application/wasm", body: "no such file" };
    pages["/untyped.wasm"] = { type: "application/octet-stream", body: await readFile(`${client}/nbd.wasm`) };
  });
  after(async () => {
    await site.close();
    await lab.close();
  });

  /** @param {Record<string, string>} fields of every answer @param {(page: import("puppeteer-core").Page) => Promise<unknown>} work */
  async function withHeaders(fields, work) {
    Object.assign(headers, fields);
    const page = await openPage(site.origin);
    const result = await work(page);
    for (const name of Object.keys(fields)) delete headers[name];
    await page.close();
    return result;
  }

  /** @param {Record<string, string>} directives @param {(page: import("puppeteer-core").Page) => Promise<unknown>} work */
  const under = (directives, work) => withHeaders({ "Content-Security-Policy": Object.entries(directives).map((d) => d.join(" ")).join("; ") }, work);

  test("opens under the documented policy, in the page and in a Worker", async () => {
    const directives = policy(`ws://127.0.0.1:${bridge.port}`);
    const sizes = await under(directives, async (page) => [await page.evaluate(attempt, job), await page.evaluate(nested, job)]);
    assert.deepEqual(sizes, [diskSize, diskSize]);
  });

  test("needs each directive, and says so", async () => {
    const directives = policy(`ws://127.0.0.1:${bridge.port}`);
    /** @type {[Record<string, string>, RegExp][]} */
    const table = [
      [{ "script-src": "'self'" }, /^WASM_LOAD .*could not be compiled.*'wasm-unsafe-eval'/],
      [{ "worker-src": "'none'" }, /^WASM_LOAD .*worker-src/],
      [{ "connect-src": `ws://127.0.0.1:${bridge.port}` }, /^WASM_LOAD .*could not be fetched.*connect-src/],
      [{ "connect-src": "'self'" }, /^BRIDGE_UNREACHABLE .*connect-src/],
    ];
    for (const [changed, says] of table) {
      assert.match(String(await under({ ...directives, ...changed }, (page) => page.evaluate(attempt, job))), says);
    }
  });

  test("opens in a page that is cross-origin isolated", async () => {
    const fields = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };
    const result = await withHeaders(fields, async (page) => [await page.evaluate(() => crossOriginIsolated), await page.evaluate(attempt, job)]);
    assert.deepEqual(result, [true, diskSize]);
  });

  test("fetches and compiles once for many disks, and not at all with a module", async () => {
    const page = await openPage(site.origin);
    const fetched = () => site.asked.filter((path) => path === "/nbd.wasm").length;
    const before = fetched();
    assert.equal(await page.evaluate(attempt, { ...job, times: 3 }), diskSize);
    assert.equal(fetched() - before, 1);
    assert.equal(await page.evaluate(attempt, { ...job, modules: true }), diskSize);
    assert.equal(fetched() - before, 2, "the page's own");
    await page.close();
  });

  test("says that its WASM is not what it should be", async () => {
    const page = await openPage(site.origin);
    /** @type {[string, RegExp][]} */
    const table = [
      ["untyped.wasm", new RegExp(`^${diskSize}$`)],
      ["fallback.wasm", /^WASM_LOAD .*fallback\.wasm is not WebAssembly \(served as text\/html\): an HTML page came/],
      ["text.wasm", /^WASM_LOAD .*text\.wasm is not WebAssembly \(served as text\/plain\): something else/],
      ["lie.wasm", /^WASM_LOAD .*lie\.wasm \(served as application\/wasm\) could not be compiled/],
      ["nothing.wasm", /^WASM_LOAD .*nothing\.wasm could not be fetched: the server answered 404/],
    ];
    for (const [wasm, says] of table) {
      const result = await page.evaluate(attempt, { ...job, options: { ...job.options, wasm } });
      assert.match(String(result), says);
    }
    await page.close();
  });

  test("from another origin it says what to do, and that works", async () => {
    const library = await serveFolder(client, { headers: { "Access-Control-Allow-Origin": "*" } });
    pages["/own.js"] = { type: "text/javascript", body: `import "${library.origin}/worker.js";` };
    const page = await openPage(site.origin);
    const foreign = { ...job, from: `${library.origin}/index.js` };
    assert.match(String(await page.evaluate(attempt, foreign)), /^WASM_LOAD .*browsers start no such one.*worker: \(\) => new Worker/);
    assert.equal(await page.evaluate(attempt, { ...foreign, own: "/own.js" }), diskSize);
    assert.equal(await page.evaluate(attempt, { ...foreign, options: { ...job.options, worker: "/worker.js" } }), diskSize);
    await page.close();
    await library.close();
  });
});
