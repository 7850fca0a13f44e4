// Copies and hashes of a foreign server's sparse disk of 1 GiB, each stopped
// once, against cmp and the programs of coreutils.
import assert from "node:assert/strict";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { inEachBrowser } from "./browsers.js";
import { Lab, pattern } from "./lab.js";
import { run } from "./processes.js";

const MiB = 1 << 20;
const size = 1 << 30;

/** @param {string} file @param {[offset: number, length: number][]} parts that are not holes */
async function sparse(file, parts) {
  const handle = await open(file, "w+");
  await handle.truncate(size);
  for (const [offset, length] of parts) await handle.write(pattern(offset, length), 0, length, offset);
  await handle.close();
  return file;
}

/** Runs in the page: what the jobs below share. */
async function prepare(/** @type {any} */ { source, target, tls }) {
  const { open } = await import(/** @type {any} */ ("/client/index.js"));
  const { copy, hash } = await import(/** @type {any} */ ("/client/copy/index.js"));
  const { region } = await import(/** @type {any} */ ("/client/layers/index.js"));
  const [disk, sink] = await Promise.all([open(source, { tls }), open(target, { tls, readOnly: false })]);
  /**
   * Runs a job until a method of something has been called at an offset, and
   * tells its state.
   */
  const until = async (/** @type {any} */ { of, method, at }, /** @type {(watched: any, options: any) => Promise<any>} */ job) => {
    const controller = new AbortController();
    const watched = Object.fromEntries(["size", "blockStatus", "read", "write", "zero", "flush", "seek", "truncate"]
      .filter((name) => name in of).map((name) => [name, typeof of[name] === "function" ? of[name].bind(of) : of[name]]));
    watched[method] = async (/** @type {any[]} */ ...args) => {
      const result = await of[method](...args);
      if ((args[0].position ?? args[0]) >= at) controller.abort("stop");
      return result;
    };
    /** @type {any} */ let state;
    const reason = await job(watched, { signal: controller.signal, onState: (/** @type {any} */ s) => { state = s; } }).catch((/** @type {any} */ r) => r);
    if (reason !== "stop") throw reason;
    return JSON.parse(JSON.stringify(state));
  };
  Object.assign(globalThis, { disk, sink, copy, hash, region, until });
}

/** Runs in the page: from device to device. */
async function copyTwice() {
  const { disk, sink, copy, until } = /** @type {any} */ (globalThis);
  const state = await until({ of: sink, method: "write", at: disk.size / 2 }, (/** @type {any} */ watched, /** @type {any} */ options) => copy(disk, watched, options));
  /** @type {any} */ let last;
  const report = await copy(disk, sink, { from: state, onProgress: (/** @type {any} */ p) => { last = p; } });
  return { state, report, last };
}

/** Runs in the page: what was read of the whole, too. */
async function hashTwice(/** @type {string[]} */ names) {
  const { disk, hash, until } = /** @type {any} */ (globalThis);
  const before = disk.stats().bytesRead;
  const state = await until({ of: disk, method: "read", at: disk.size / 2 }, (/** @type {any} */ watched, /** @type {any} */ options) => hash(watched, names, options));
  const sums = await hash(disk, names, { from: state });
  return { offset: state.offset, sums, read: disk.stats().bytesRead - before };
}

/** Runs in the page: a file of the browser, and a stream. Tells what differs. */
async function copyOut(/** @type {{offset: number, length: number}} */ part) {
  const { disk, copy, region, until } = /** @type {any} */ (globalThis);
  const device = region(disk, part);
  const folder = await navigator.storage.getDirectory();
  const handle = await folder.getFileHandle("copy.img", { create: true });
  let writable = await handle.createWritable();
  const state = await until({ of: writable, method: "write", at: 0 }, (/** @type {any} */ watched, /** @type {any} */ options) => copy(device, watched, options));
  await writable.close();
  writable = await handle.createWritable({ keepExistingData: true });
  await copy(device, writable, { from: state });
  await writable.close();
  const { writable: zip, readable } = new CompressionStream("gzip");
  const unzipped = new Response(readable.pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
  await copy(device, zip);
  await zip.close();
  const want = await device.read(0, device.size);
  const same = (/** @type {ArrayBuffer} */ got) => got.byteLength === want.byteLength && new Uint8Array(got).every((b, i) => b === want[i]);
  const kept = same(await (await handle.getFile()).arrayBuffer());
  await folder.removeEntry("copy.img");
  return { stopped: state.offset, kept, zipped: same(await unzipped) };
}

inEachBrowser("copies and hashes", ({ page: openPage, name: browser }) => {
  /** @type {Lab} */ let lab;
  /** @type {string} */ let source;
  /** @type {string} */ let target;
  /** @type {import("puppeteer-core").Page} */ let page;
  before(async () => {
    lab = await Lab.create();
    const pki = await lab.pki(browser);
    source = await sparse(join(lab.dir, "source.img"), [[4096, 3 * MiB + 512], [100 * MiB, 64 << 10], [511 * MiB, 8 * MiB], [700 * MiB + 4096, 4096], [size - MiB, MiB]]);
    target = await sparse(join(lab.dir, "target.img"), [[0, 8 * MiB], [300 * MiB, 4 * MiB], [600 * MiB, MiB]]);
    const bridge = await lab.bridge({ source: (await lab.nbdkit(source, pki, "--readonly")).target, target: (await lab.nbdkit(target, pki)).target });
    page = await openPage(bridge.page);
    const tls = { ca: pki.ca, serverName: pki.serverName, cert: pki.cert, key: pki.key };
    await page.evaluate(prepare, { source: bridge.url("source"), target: bridge.url("target"), tls });
  });
  after(() => lab.close());

  test("a disk of 1 GiB becomes another, without its holes", async () => {
    const { state, report, last } = await page.evaluate(copyTwice);
    assert.ok(state.offset > 0 && state.offset < 600 * MiB, `stopped at ${state.offset}`);
    assert.equal(report.copied + report.skipped, size - state.offset);
    assert.ok(report.copied < 16 * MiB, `${report.copied} bytes copied`);
    assert.deepEqual([last.done, last.total], [size, size]);
    await run("cmp", [source, target]);
  });

  test("a disk of 1 GiB is hashed, without its holes", async () => {
    const { offset, sums, read } = await page.evaluate(hashTwice, ["md5", "sha256"]);
    assert.ok(offset > 300 * MiB && offset < 600 * MiB, `stopped at ${offset}`);
    assert.ok(read < 32 * MiB, `${read} bytes read`);
    for (const name of ["md5", "sha256"]) assert.equal(sums[name], (await run(`${name}sum`, [source])).stdout.split(" ")[0]);
  });

  test("a part becomes a file of the browser, and a stream", async () => {
    const { stopped, ...same } = await page.evaluate(copyOut, { offset: 500 * MiB, length: 24 * MiB + 1 });
    assert.ok(stopped > 11 * MiB && stopped < 24 * MiB, `stopped at ${stopped}`);
    assert.deepEqual(same, { kept: true, zipped: true });
  });
});
