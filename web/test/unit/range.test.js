// The whole way of a request, with sw.js in a browser that is made up.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { Device } from "../../client/device.js";
import { NbdError } from "../../client/errors.js";
import { readOnlyView } from "../../client/layers/readonly.js";
import { serveViaServiceWorker } from "../../client/range/index.js";
import { FakeSite } from "./fake-service-worker.js";
import { MemoryDisk, held, settled } from "./memory-disk.js";

const size = 5_000_000;
/** What an answer of ours always has. */
const safe = {
  "x-content-type-options": "nosniff", "content-security-policy": "sandbox", "cache-control": "no-store", "referrer-policy": "no-referrer",
  "cross-origin-resource-policy": "same-origin", "cross-origin-embedder-policy": "require-corp",
};

// The page is one for all tests, as its name is.
const site = new FakeSite();
after(() => site.kill());

/** @param {import("node:test").TestContext} t @param {import("../../client/range/index.js").RangeOptions} [options] */
async function serve(t, options = {}, disk = new MemoryDisk(size, { readOnly: true })) {
  const serving = await serveViaServiceWorker(disk.device, { script: "/sw.js", ...options });
  t.after(() => serving.close());
  /** @param {Parameters<FakeSite["fetch"]>[1]} [init] */
  const get = async (init) => /** @type {Response} */ (await site.fetch(serving.url, init));
  const etag = /** @type {string} */ ((await get({ method: "HEAD" })).headers.get("etag"));
  disk.log.length = 0;
  return { disk, get, etag, ...serving };
}

/** @param {Response} response */
const bytesOf = async (response) => new Uint8Array(await response.arrayBuffer());

test("each request gets its answer", async (t) => {
  const { get, etag, disk } = await serve(t);
  const whole = { status: 200, "content-length": `${size}`, "content-range": null, etag };
  const part = { status: 206, "content-length": "100", "content-range": `bytes 5-104/${size}`, etag };
  /** @type {[string, Record<string, string>, Record<string, any>, number?, number?][]} */
  const table = [
    ["GET", {}, whole, 0, size],
    ["GET", { Range: "bytes=5-104" }, part, 5, 105],
    ["GET", { Range: "bytes=-100" }, { ...part, "content-range": `bytes ${size - 100}-${size - 1}/${size}` }, size - 100, size],
    ["GET", { Range: "bytes=4999990-" }, { status: 206, "content-length": "10" }, size - 10, size],
    ["GET", { Range: "bytes=0-2000000" }, { status: 206, "content-length": "2000001" }, 0, 2_000_001],
    ["GET", { Range: "bytes=5-104,5000000-" }, part, 5, 105],
    ["GET", { Range: `bytes=${size}-` }, { status: 416, "content-range": `bytes */${size}`, etag: null }],
    ["GET", { Range: "lines=1-2" }, whole, 0, size],
    ["GET", { Range: "bytes=5-104", "If-Range": etag }, part, 5, 105],
    ["GET", { Range: "bytes=5-104", "If-Range": '"other"' }, whole, 0, size],
    ["GET", { Range: `bytes=${size}-`, "If-Range": '"other"' }, whole, 0, size],
    ["GET", { Range: "bytes=5-104", "If-None-Match": etag }, { status: 304, etag, "content-range": null }, 0, 0],
    ["GET", { "If-None-Match": '"other"', "If-Match": etag }, whole, 0, size],
    ["GET", { Range: "bytes=5-104", "If-Match": '"other"' }, { status: 412, "content-range": null }],
    ["HEAD", {}, whole, 0, 0],
    ["HEAD", { Range: "bytes=5-104" }, whole, 0, 0],
    ["HEAD", { "If-None-Match": etag }, { status: 304 }, 0, 0],
    ["POST", {}, { status: 405, allow: "GET, HEAD" }],
    ["OPTIONS", {}, { status: 405, allow: "GET, HEAD" }],
  ];
  for (const [method, headers, want, from, to] of table) {
    const response = await get({ method, headers });
    const title = `${method} ${JSON.stringify(headers)}`;
    const { status, ...fields } = want;
    assert.equal(response.status, status, title);
    for (const [name, value] of Object.entries({ ...fields, ...safe })) assert.equal(response.headers.get(name), value, `${title}: ${name}`);
    assert.equal(response.headers.get("content-type"), status < 400 ? "application/octet-stream" : "text/plain; charset=utf-8");
    assert.equal(response.headers.get("content-disposition"), status < 400 ? 'attachment; filename="disk.img"' : null);
    const body = await bytesOf(response);
    if (from !== undefined) assert.ok(Buffer.compare(body, disk.bytes.subarray(from, to)) === 0, title);
  }
});

test("several ranges come as parts, as long as it says", async (t) => {
  const { get, disk } = await serve(t);
  const ranges = [[0, 9], [4_000_000, 4_000_001], [100, 2_000_000], [7, 7]];
  const response = await get({ headers: { Range: `bytes=${ranges.map(([a, b]) => `${a}-${b}`)}` } });
  const [, boundary] = /^multipart\/byteranges; boundary=([\w-]+)$/.exec(response.headers.get("content-type") ?? "") ?? [];
  const body = Buffer.from(await bytesOf(response));
  assert.deepEqual([response.status, response.headers.get("content-length")], [206, `${body.length}`]);
  const want = Buffer.concat([...ranges.flatMap(([first, last]) => [
    Buffer.from(`\r\n--${boundary}\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes ${first}-${last}/${size}\r\n\r\n`),
    disk.bytes.subarray(first, last + 1),
  ]), Buffer.from(`\r\n--${boundary}--\r\n`)]);
  assert.ok(want.equals(body));
});

test("small parts are read together", async (t) => {
  const { get, disk } = await serve(t);
  const waiting = held(disk);
  const response = get({ headers: { Range: `bytes=${Array.from({ length: 20 }, (_, i) => `${i * 1000}-${i * 1000 + 9}`)}` } });
  while (waiting.length < 20) await settled();
  for (const { go } of waiting) go();
  assert.equal((await response).status, 206);
});

test("a device that may change has no ETag, and no part of it is said to fit another", async (t) => {
  const { get } = await serve(t, {}, new MemoryDisk(100));
  /** @type {Record<string, string>[]} */
  const table = [{}, { "If-None-Match": '"x"' }, { Range: "bytes=0-9", "If-Range": '"x"' }, { Range: "bytes=0-9", "If-Range": "undefined" }];
  for (const headers of table) {
    const response = await get({ headers });
    assert.deepEqual([response.status, response.headers.get("etag")], [200, null], JSON.stringify(headers));
  }
  assert.equal((await get({ headers: { "If-Match": '"x"' } })).status, 412);
  const [one, two] = [await serve(t), await serve(t)];
  assert.match(one.etag, /^"[-0-9a-f]{36}"$/);
  assert.notEqual(one.etag, two.etag);
});

test("a request that was given up before it came to the page reads nothing", async (t) => {
  const { get, disk } = await serve(t);
  assert.equal((await get({ signal: AbortSignal.abort() })).status, 502);
  await settled();
  assert.deepEqual(disk.log, []);
});

test("listeners of the site's own do not see our requests, but all others", async (t) => {
  const { get, url } = await serve(t);
  const { stopped } = site;
  await get({ method: "HEAD" });
  site.fetch(new URL("/other", url).href);
  assert.equal(site.stopped, stopped + 1);
});

test("other URLs go their way, and are not held up", async (t) => {
  const { url } = await serve(t);
  const { origin } = new URL(url);
  for (const other of [`${origin}/`, `${origin}/~nbd-x/disk.img`, `${origin}/app/main.js`, url.replace(origin, "https://elsewhere.example"), `${origin}/?${new URL(url).pathname}`]) {
    assert.equal(site.fetch(other), undefined, other);
  }
  assert.match(url, /^https:\/\/site\.example\/~nbd-[\w-]{22}\.[\w-]{22}\/disk\.img$/);
});

test("nothing is made of the bytes that runs", async (t) => {
  const { get } = await serve(t);
  for (const destination of ["script", "style", "worker", "sharedworker", "serviceworker", "audioworklet", "xslt", "manifest", "object", "embed", "font", "json", "report"]) {
    const response = await get({ destination });
    assert.deepEqual([response.status, response.headers.get("content-type")], [403, "text/plain; charset=utf-8"], destination);
  }
  for (const destination of ["", "document", "iframe", "video"]) assert.equal((await get({ destination, method: "HEAD" })).status, 200, destination);
});

test("a Service Worker that was killed gets the device again", async (t) => {
  const { get, url } = await serve(t, { path: "disks/a b", name: "Größe?.tif" });
  assert.match(url, /^https:\/\/site\.example\/disks\/a%20b\/~nbd-.*\/Gr%C3%B6%C3%9Fe_\.tif$/);
  const starts = site.starts;
  for (let i = 1; i <= 3; i++) {
    site.kill();
    const both = await Promise.all([get({ headers: { Range: "bytes=0-9" } }), get({ headers: { Range: "bytes=5-9" } })]);
    assert.deepEqual(both.map((r) => r.status), [206, 206]);
    assert.equal(site.starts, starts + i);
  }
});

test("a reader that takes nothing has little read ahead", async (t) => {
  const { get, disk } = await serve(t, {}, new MemoryDisk(30_000_000));
  const reader = /** @type {ReadableStream<Uint8Array>} */ ((await get()).body).getReader();
  await reader.read();
  for (let count = -1; count !== disk.log.length; await settled()) count = disk.log.length;
  const ahead = disk.log.reduce((sum, { length }) => sum + length, 0);
  assert.ok(ahead <= 10 << 20, `${ahead} bytes`);
  await reader.cancel();
});

/** A device whose reads beyond the first bytes wait for an abort. */
function stuck() {
  /** @type {AbortSignal[]} */ const signals = [];
  const device = new Device({
    size: 30_000_000,
    blockSize: { minimum: 1, preferred: 4096, maximumPayload: 1 << 20 },
    read: async (offset, length, { signal }) => {
      if (offset >= 1_000_000 && signal) {
        signals.push(signal);
        await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
      }
      return new Uint8Array(length);
    },
  });
  return { signals, device, log: [] };
}

test("a reader that leaves ends the reads, in the middle and before the answer", async (t) => {
  const { signals, ...disk } = stuck();
  const { get } = await serve(t, {}, /** @type {any} */ (disk));
  const reader = /** @type {ReadableStream<Uint8Array>} */ ((await get()).body).getReader();
  reader.closed.catch(() => {});
  for (let read = 0; read < 700_000;) read += (await reader.read()).value?.length ?? 0;
  const waiting = reader.read();
  while (signals.length === 0) await settled();
  await reader.cancel();
  assert.equal((await waiting).done, true);
  const controller = new AbortController();
  const response = get({ signal: controller.signal, headers: { Range: "bytes=1000000-1000009" } });
  for (const { length } = signals; signals.length === length;) await settled();
  controller.abort();
  assert.equal((await response).status, 502);
  for (const deadline = Date.now() + 10_000; !signals.every((signal) => signal.aborted); await settled()) assert.ok(Date.now() < deadline);
});

test("what a killed Service Worker had under way ends when the next one asks", async (t) => {
  const { signals, ...disk } = stuck();
  const { get } = await serve(t, {}, /** @type {any} */ (disk));
  get({ headers: { Range: "bytes=1000000-1000009" } });
  while (signals.length === 0) await settled();
  site.kill();
  assert.equal((await get({ headers: { Range: "bytes=0-9" } })).status, 206);
  assert.equal(signals[0].aborted, true);
});

test("what the device rejects with is said, and never comes as bytes", async (t) => {
  const { get, disk } = await serve(t);
  disk.gate = async ({ offset }) => {
    if (offset === 0 || offset > 3_000_000) throw new NbdError("EIO", "It broke.");
  };
  const refused = await get({ headers: { Range: "bytes=0-9" } });
  assert.deepEqual([refused.status, await refused.text(), refused.headers.get("etag")], [502, "EIO: It broke.", null]);
  await assert.rejects(bytesOf(await get({ headers: { Range: "bytes=100-" } })));
});

test("what was closed is not there, for new requests and for those under way", async (t) => {
  const { get, close } = await serve(t);
  const reader = /** @type {ReadableStream<Uint8Array>} */ ((await get()).body).getReader();
  await reader.read();
  await close();
  await assert.rejects(async () => { while (!(await reader.read()).done); });
  assert.equal((await get()).status, 404);
  const other = await serve(t);
  await other.disk.device.close();
  await settled();
  assert.equal((await other.get()).status, 404);
});

test("two devices of a page do not disturb each other", async (t) => {
  const [one, two] = [await serve(t), await serve(t, {}, new MemoryDisk(77))];
  const reading = bytesOf(await one.get());
  const three = await serve(t, {}, new MemoryDisk(78));
  assert.equal((await bytesOf(await two.get())).length, 77);
  await two.close();
  assert.equal((await bytesOf(await three.get())).length, 78);
  assert.equal((await reading).length, size);
});

test("a page that has gone fails what it owes", async (t) => {
  const { get, disk } = await serve(t);
  const waiting = held(disk);
  site.pageLives = false;
  t.after(() => { site.pageLives = true; });
  const response = await get({ headers: { Range: "bytes=0-9" } });
  assert.equal(response.status, 404);
  assert.match(await response.text(), /gone/);
  for (const { go } of waiting) go();
});

test("a page that has gone fails a body that nobody reads just now", async (t) => {
  const { get } = await serve(t);
  const reader = /** @type {ReadableStream<Uint8Array>} */ ((await get()).body).getReader();
  await reader.read();
  for (let i = 0; i < 5; i++) await settled();
  site.pageLives = false;
  t.after(() => { site.pageLives = true; });
  await assert.rejects(reader.closed, /gone/);
});

test("what can't be meant, or can't be, is refused", async () => {
  const { device } = new MemoryDisk(10);
  /** @type {[any, any, string, RegExp][]} */
  const table = [
    [{}, {}, "INVALID_ARGUMENT", /device/],
    [device, { scrip: "/sw.js" }, "INVALID_ARGUMENT", /Unknown option scrip/],
    [device, { script: "/sw.js", path: 5 }, "INVALID_ARGUMENT", /path/],
    [device, { script: "/sw.js", path: "https://elsewhere.example/" }, "INVALID_ARGUMENT", /no folder in/],
    [device, { script: "/sw.js", path: "a?b" }, "INVALID_ARGUMENT", /no folder in/],
    [device, { script: "/js/sw.js" }, "INVALID_ARGUMENT", /\/app\/index\.html is outside of \/js\/.*Copy sw\.js.*Service-Worker-Allowed/s],
    [device, { script: "/sw.js", scope: "/other/" }, "INVALID_ARGUMENT", /outside of \/other\//],
    [device, { script: "/missing.js" }, "WASM_LOAD", /could not be registered/],
  ];
  for (const [what, options, code, message] of table) {
    await assert.rejects(serveViaServiceWorker(what, options), (/** @type {any} */ error) => error.code === code && message.test(error.message), JSON.stringify(options));
  }
});

test("two calls at once are both told that the Service Worker is a stranger's", async (t) => {
  const { scope } = site.registration;
  Object.assign(site.registration, { scope: "https://site.example/twice/" });
  site.kill();
  site.ours = false;
  t.after(() => {
    site.kill();
    site.ours = true;
    site.registration.scope = scope;
  });
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { device } = new MemoryDisk(10);
  const calls = Promise.allSettled([1, 2].map(() => serveViaServiceWorker(device, { script: "/sw.js" })));
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
  t.mock.timers.tick(10_000);
  assert.deepEqual((await calls).map((call) => call.status === "rejected" && call.reason.code), ["WASM_LOAD", "WASM_LOAD"]);
});

test("a page of another Service Worker waits until ours has it", async (t) => {
  const { serviceWorker } = /** @type {any} */ (navigator);
  const ours = serviceWorker.controller;
  t.after(() => { serviceWorker.controller = ours; });
  serviceWorker.controller = { scriptURL: "https://site.example/wider.js" };
  let change = () => {};
  Object.assign(serviceWorker, { addEventListener: (/** @type {string} */ _, /** @type {() => void} */ listener) => { change = listener; }, removeEventListener: () => {} });
  let done = false;
  const serving = serveViaServiceWorker(new MemoryDisk(10).device, { script: "/sw.js" }).finally(() => { done = true; });
  for (let i = 0; i < 20; i++) await settled();
  assert.equal(done, false);
  serviceWorker.controller = ours;
  change();
  await (await serving).close();
});

test("a Service Worker that is another one is told apart", async (t) => {
  const other = new FakeSite("/app/");
  t.after(() => other.remove());
  const { device } = new MemoryDisk(10);
  const serving = () => serveViaServiceWorker(device, { script: "/sw.js", scope: "/app/" });
  other.best = { scope: "https://site.example/app/deep/", active: { scriptURL: "https://site.example/own.js" } };
  await assert.rejects(serving(), { code: "INVALID_ARGUMENT", message: /another Service Worker, https:\/\/site\.example\/own\.js.*importScripts/ });
  other.remove();
  const strange = new FakeSite("/app/deep/", "/app/deep/");
  t.after(() => strange.remove());
  strange.ours = false;
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const refused = assert.rejects(serveViaServiceWorker(device, { script: "/sw.js", scope: "/app/deep/" }), { code: "WASM_LOAD", message: /does not answer.*importScripts/ });
  for (let i = 0; i < 50; i++) {
    await new Promise((resolve) => setImmediate(resolve));
    t.mock.timers.tick(1000);
  }
  await refused;
});
