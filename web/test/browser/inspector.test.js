// A disk of mke2fs behind nbdkit, with TLS through the bridge, looked into by
// the page: layout, folders, files by their hash, a search.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { makeVolume, many, missingForVolume, partition } from "../volume.js";
import { inEachBrowser } from "./browsers.js";
import { Lab } from "./lab.js";
import { missingPackages } from "./needs.js";

/** Runs in the page. */
async function prepare(/** @type {any} */ { url, tls, partition }) {
  const { open } = await import(/** @type {any} */ ("/client/index.js"));
  const { withCache } = await import(/** @type {any} */ ("/client/layers/index.js"));
  const { inspect } = await import(/** @type {any} */ ("/client/inspect/index.js"));
  const disk = await open(url, { tls });
  const inspector = await inspect(withCache(disk));
  const layout = await inspector.layout();
  const signatures = await inspector.signatures(partition.offset, partition.length);
  const volume = await inspector.open(partition.offset, partition.length);
  Object.assign(globalThis, { disk, inspector, volume });
  return { layout, signatures, facts: volume.facts, requests: disk.stats().requests };
}

/** Runs in the page. */
async function list(/** @type {string} */ path) {
  const { volume } = /** @type {any} */ (globalThis);
  const [names, batches] = [/** @type {string[]} */ ([]), /** @type {number[]} */ ([])];
  for await (const batch of volume.list(path)) {
    batches.push(batch.length);
    for (const { name } of batch) names.push(name);
  }
  return { names, batches };
}

/** Runs in the page. */
async function hashes(/** @type {string[]} */ paths) {
  const { volume } = /** @type {any} */ (globalThis);
  const { hash } = await import(/** @type {any} */ ("/client/copy/index.js"));
  return Promise.all(paths.map(async (path) => {
    const file = await volume.file(path);
    const { sha256 } = await hash(file, ["sha256"]);
    await file.close();
    return sha256;
  }));
}

/** Runs in the page. */
async function search() {
  const { inspector } = /** @type {any} */ (globalThis);
  /** @type {any} */ let last;
  const found = [];
  for await (const hits of inspector.search({ needles: [{ text: "the needle", ignoreCase: true }], onProgress: (/** @type {any} */ state) => { last = state; } })) found.push(...hits);
  return { found: found.map(({ offset, encoding }) => ({ offset, encoding })), last };
}

/** Runs in the page. Tells how calls fail once there is no Worker any more. */
async function crash(/** @type {string} */ name) {
  const { disk } = /** @type {any} */ (globalThis);
  const { inspect } = await import(/** @type {any} */ ("/client/inspect/index.js"));
  /** @type {Worker | undefined} */ let worker;
  const start = () => worker = new Worker(`/client/${name}`, { type: "module" });
  const inspector = await inspect(disk, { worker: start });
  const calls = [inspector.layout(), inspector.layout()].map((call) => call.then(String, (/** @type {any} */ error) => error.code));
  worker?.dispatchEvent(new ErrorEvent("error", { message: "it fell" }));
  const later = await inspector.layout().catch((/** @type {any} */ error) => `${error.code} ${error.message}`);
  await inspector.close();
  return [...await Promise.all(calls), later];
}

inEachBrowser("the inspector", ({ page: openPage, name: browser }) => {
  /** @type {Lab} */ let lab;
  /** @type {Awaited<ReturnType<typeof makeVolume>>} */ let made;
  /** @type {import("puppeteer-core").Page} */ let page;
  /** @type {any} */ let told;
  before(async () => {
    if (missingPackages(missingForVolume())) return;
    lab = await Lab.create();
    made = await makeVolume(lab.dir);
    const pki = await lab.pki(browser);
    const bridge = await lab.bridge({ volume: (await lab.nbdkit(made.file, pki, "--readonly")).target });
    page = await openPage(bridge.page);
    const tls = { ca: pki.ca, serverName: pki.serverName, cert: pki.cert, key: pki.key };
    told = await page.evaluate(prepare, { url: bridge.url("volume"), tls, partition });
  });
  after(() => lab?.close());

  const skip = missingPackages(missingForVolume());

  test("layout and signatures", { skip }, () => {
    assert.equal(told.layout.scheme, "mbr");
    const { number, offset, length } = told.layout.parts.at(-1);
    assert.deepEqual([number, offset, length], [1, partition.offset, partition.length]);
    assert.deepEqual([told.signatures[0].kind, told.signatures[0].label, told.facts.kind], ["ext4", "lab", "ext4"]);
  });

  test("folders come in batches", { skip }, async () => {
    assert.deepEqual((await page.evaluate(list, "/")).names.sort(), ["deep", "lost+found", "many", "random.bin", "sparse.bin"]);
    const { names, batches } = await page.evaluate(list, "/many");
    assert.equal(new Set(names).size, many);
    assert.ok(batches.length >= 3 && batches.every((n) => n <= 1000), `${batches}`);
  });

  test("files, by their hash", { skip }, async () => {
    const sums = await page.evaluate(hashes, ["/random.bin", "/sparse.bin"]);
    assert.deepEqual(sums, [made.random, made.sparse].map((bytes) => createHash("sha256").update(bytes).digest("hex")));
  });

  test("a search", { skip }, async () => {
    const { found, last } = await page.evaluate(search);
    assert.deepEqual(found, [{ offset: (await readFile(made.file)).indexOf(Buffer.from("The Needle", "utf16le")), encoding: "utf-16le" }]);
    assert.equal(last.done, last.total);
    assert.ok(last.skipped > 0, "nothing was skipped");
  });

  test("a Worker that has died rejects all calls", { skip }, async () => {
    const [first, second, later] = await page.evaluate(crash, "inspect/worker.js");
    assert.deepEqual([first, second], ["WORKER", "WORKER"]);
    assert.match(later, /^WORKER The inspector's Worker has died/);
  });
});
