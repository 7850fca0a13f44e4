// Files that lie raw on exports of nbdkit, or within one, read by the libraries
// of their formats, in a page, with TLS through the bridge.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { entries, lay, makeParquet, makeTiff, makeZip, picture, pixel, row, rows } from "../formats.js";
import { inEachBrowser } from "./browsers.js";
import { Lab } from "./lab.js";
import { serveFolder } from "./site.js";

/** Where a file is: an export, and a range of it. @typedef {{url: string, range?: {offset: number, length: number}}} Place */

/** Runs in the page: opens what the tests read from. */
async function prepare(/** @type {any} */ tls) {
  const [{ open }, { region }, views, parquet, zip] = await Promise.all(
    ["/client/index.js", "/client/layers/index.js", "/client/views/index.js", "/node_modules/hyparquet/src/index.js", "/node_modules/@zip.js/zip.js/index.js"].map((file) => import(file)));
  const deviceAt = async (/** @type {Place} */ { url, range }) => {
    const disk = await open(url, { tls });
    return range ? region(disk, range) : disk;
  };
  Object.assign(globalThis, { lab: { deviceAt, views, parquet, zip } });
}

/** Runs in the page. */
async function readTiff(/** @type {Place} */ place) {
  const { lab: { deviceAt, views }, GeoTIFF } = /** @type {any} */ (globalThis);
  const device = await deviceAt(place);
  const tiff = await GeoTIFF.GeoTIFF.fromSource(views.asGeotiffSource(device));
  const image = await tiff.getImage();
  const window = [...await image.readRasters({ window: [100, 50, 140, 53], interleave: true })];
  await tiff.close();
  return { size: [image.getWidth(), image.getHeight()], origin: image.getOrigin().slice(0, 2), window, closed: (await device.closed) === undefined };
}

/** Runs in the page. */
async function readParquet(/** @type {Place} */ place) {
  const { lab: { deviceAt, parquet } } = /** @type {any} */ (globalThis);
  const file = await deviceAt(place);
  const metadata = await parquet.parquetMetadataAsync(file);
  const found = await parquet.parquetReadObjects({ file, rowStart: 7000, rowEnd: 7003 });
  await file.close();
  return { rows: Number(metadata.num_rows), found };
}

/** Runs in the page: by a Reader, or as a Blob. */
async function readZip(/** @type {Place} */ place, /** @type {boolean} */ asBlob) {
  const { lab: { deviceAt, views, zip } } = /** @type {any} */ (globalThis);
  const device = await deviceAt(place);
  const reader = asBlob ? new zip.BlobReader(views.asBlobLike(device)) : views.asZipReader(device);
  const archive = new zip.ZipReader(reader);
  /** @type {Record<string, string>} */ const digests = {};
  for (const entry of await archive.getEntries()) {
    const bytes = await entry.getData(new zip.Uint8ArrayWriter(), { checkSignature: true });
    digests[entry.filename] = btoa(String.fromCharCode(...new Uint8Array(await crypto.subtle.digest("SHA-256", bytes))));
  }
  await archive.close();
  await device.close();
  return digests;
}

/** Runs in the page: whom the browser itself takes a view for. */
async function refusals(/** @type {Place} */ place) {
  const { lab: { deviceAt, views }, GeoTIFF } = /** @type {any} */ (globalThis);
  const device = await deviceAt(place);
  const blob = views.asBlobLike(device, { type: "image/tiff" });
  const code = (/** @type {() => any} */ use) => { try { use(); return "taken"; } catch (/** @type {any} */ e) { return e.code ?? e.name; } };
  const uses = [() => new Response(blob), () => new Blob([blob]), () => new FormData().append("file", blob), () => `${blob}`].map(code);
  const others = [() => URL.createObjectURL(blob), () => new FileReader().readAsArrayBuffer(blob)].map((use) => code(use) !== "taken");
  const geotiff = await GeoTIFF.fromBlob(blob).catch((/** @type {any} */ e) => e.name);
  const head = new Uint8Array(await blob.slice(0, 4).arrayBuffer());
  await device.close();
  return { uses, others, geotiff, head: [...head] };
}

/** Runs in the page: streams in all the ways that a browser has. */
async function streams(/** @type {Place} */ place) {
  const { lab: { deviceAt, views } } = /** @type {any} */ (globalThis);
  const device = await deviceAt(place);
  const digest = async (/** @type {BufferSource} */ bytes) => btoa(String.fromCharCode(...new Uint8Array(await crypto.subtle.digest("SHA-256", bytes))));
  const whole = await digest(await new Response(views.readableOf(device, { chunkSize: 50_000 })).arrayBuffer());
  const reader = views.readableOf(device, { chunkSize: 50_000 }).getReader({ mode: "byob" });
  const own = new Uint8Array(device.size);
  let buffer = new ArrayBuffer(64 << 10), at = 0;
  for (;;) {
    const { value, done } = await reader.read(new Uint8Array(buffer));
    if (done) break;
    own.set(value, at);
    at += value.length;
    buffer = value.buffer;
  }
  const cut = views.readableOf(device, { chunkSize: 4096 }).getReader();
  await cut.read();
  await cut.cancel();
  await device.read(0, 512); // the disk is as good as before
  const { requests, inFlight } = device.stats();
  await device.close();
  return { whole, own: await digest(own), at, inFlight, some: requests > 0 };
}

/** Runs in the page: a storage that is written, and what it then reads. */
async function store(/** @type {Place} */ { url }, /** @type {any} */ tls) {
  const { lab: { views } } = /** @type {any} */ (globalThis);
  const { open } = await import(/** @type {any} */ ("/client/index.js"));
  const storage = views.asRandomAccessStorage(await open(url, { tls, readOnly: false }));
  const call = (/** @type {string} */ name, /** @type {any[]} */ ...args) => new Promise((resolve, reject) =>
    storage[name](...args, (/** @type {any} */ error, /** @type {any} */ value) => error ? reject(error) : resolve(value)));
  await call("write", 2_000_001, new TextEncoder().encode("written by a page"));
  await call("del", 2_000_003, 4);
  const text = new TextDecoder().decode(await call("read", 2_000_000, 20));
  await call("close");
  const closed = await call("stat").catch((/** @type {any} */ e) => e.code);
  return { text, closed };
}

/** @param {Uint8Array} bytes */
const digest = async (bytes) => Buffer.from(await crypto.subtle.digest("SHA-256", Uint8Array.from(bytes))).toString("base64");

inEachBrowser("views", ({ page: openPage, name: browser }) => {
  /** @type {Lab} */ let lab;
  /** @type {Awaited<ReturnType<typeof serveFolder>>} */ let site;
  /** @type {import("puppeteer-core").Page} */ let page;
  /** @type {Record<string, Place[]>} */ const places = {};
  /** @type {any} */ let tls;
  const files = { tiff: makeTiff(), parquet: makeParquet(), zip: new Uint8Array() };
  before(async () => {
    lab = await Lab.create();
    files.zip = await makeZip();
    const pki = await lab.pki(browser);
    tls = { ca: pki.ca, serverName: pki.serverName, cert: pki.cert, key: pki.key };
    const folder = (/** @type {string} */ name) => new URL(`../../${name}`, import.meta.url).pathname;
    site = await serveFolder({ client: folder("client"), node_modules: folder("node_modules") }, { pages: { "/": { body: `<!doctype html><title>site</title><script src="/node_modules/geotiff/dist-browser/geotiff.js"></script>` } } });
    const { disk, places: within } = lay(2 << 20, files);
    /** @type {Record<string, string>} */ const targets = {};
    for (const [name, bytes] of Object.entries({ ...files, all: disk })) targets[name] = (await lab.nbdkit(await lab.disk(name, Buffer.from(bytes)), pki)).target;
    const bridge = await lab.bridge(targets, "--origin", site.origin);
    for (const name of Object.keys(files)) places[name] = [{ url: bridge.url(name) }, { url: bridge.url("all"), range: within[name] }];
    places.all = [{ url: bridge.url("all") }];
    page = await openPage(site.origin);
    await page.evaluate(prepare, tls);
  });
  after(async () => {
    await site.close();
    await lab.close();
  });

  for (const [i, where] of ["raw on an export", "at an offset of an export"].entries()) {
    test(`geotiff reads a GeoTIFF ${where}`, async () => {
      const window = Array.from({ length: 120 }, (_, at) => pixel(100 + at % 40, 50 + Math.floor(at / 40)));
      assert.deepEqual(await page.evaluate(readTiff, places.tiff[i]), { size: [picture.width, picture.height], origin: [10, 50], window, closed: true });
    });

    test(`hyparquet reads a Parquet file ${where}`, async () => {
      assert.deepEqual(await page.evaluate(readParquet, places.parquet[i]), { rows, found: [row(7000), row(7001), row(7002)] });
    });

    for (const asBlob of [false, true]) {
      test(`zip.js reads a zip file ${where}, ${asBlob ? "as a Blob" : "by a Reader"}`, async () => {
        const want = await Promise.all(Object.entries(entries).map(async ([name, bytes]) => [name, await digest(bytes)]));
        assert.deepEqual(await page.evaluate(readZip, places.zip[i], asBlob), Object.fromEntries(want));
      });
    }
  }

  test("a view is no Blob of the browser, which must not take its name for its content", async () => {
    const code = "INVALID_ARGUMENT";
    assert.deepEqual(await page.evaluate(refusals, places.tiff[0]), { uses: [code, code, code, code], others: [true, true], geotiff: "TypeError", head: [...files.tiff.subarray(0, 4)] });
  });

  test("streams, into buffers of the browser and of the reader", async () => {
    const want = await digest(files.zip);
    assert.deepEqual(await page.evaluate(streams, places.zip[0]), { whole: want, own: want, at: files.zip.length, inFlight: 0, some: true });
  });

  test("a storage writes, deletes and reads", async () => {
    assert.deepEqual(await page.evaluate(store, places.all[0], tls), { text: "\ufffdwr\0\0\0\0n by a page\ufffd\ufffd", closed: "CLOSED" });
    assert.equal((await readFile(join(lab.dir, "all"))).toString("latin1", 2_000_000, 2_000_020), "\xa5wr\0\0\0\0n by a page\xa5\xa5");
  });
});
