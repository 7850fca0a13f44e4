// What a disk can do beside reading and writing, on foreign servers.
import assert from "node:assert/strict";
import { readFile, truncate } from "node:fs/promises";
import { after, before, test } from "node:test";
import { inEachBrowser } from "./browsers.js";
import { Lab, diskSize, pattern } from "./lab.js";

const MiB = 1 << 20;
/** The upper half of the disk is a hole from the beginning. */
const half = diskSize / 2;

const zeroes = [[3, 1000, false], [65536, 131072, false], [100001, 1, true], [MiB, MiB, true], [diskSize - 5, 5, true]];
const trims = [[2 * MiB, MiB], [3 * MiB + 7, 9001]];
const ranges = [[0, 1], [4095, 4097], [MiB - 1, 2], [half - 3, 70000], [diskSize - 1, 1]];

/** Runs in the page: everything once, with what it told. */
async function exercise(/** @type {any} */ { url, name, zeroes, trims, ranges, half }) {
  const { open, info } = await import(/** @type {any} */ ("/client/index.js"));
  const options = { export: name, tls: { mode: "off" } };
  const told = await info(url, options);
  const disk = await open(url, { ...options, readOnly: false });
  const before = await disk.blockStatus(0n, BigInt(disk.size));
  const part = await disk.blockStatus(half - 777, 1000);
  for (const [offset, length, unmap] of zeroes) await disk.zero(offset, length, { unmap });
  for (const [offset, length] of trims) await disk.trim(BigInt(offset), length);
  if (disk.features.cache) await disk.cache(5, 5000);
  await disk.write(half + 1, new Uint8Array([1, 2, 3]), { fua: true });
  await disk.flush();
  const after = await disk.blockStatus(0, disk.size);

  const plain = (/** @type {Uint8Array} */ bytes) => [...bytes];
  const many = await disk.readMany(ranges.map((/** @type {number[]} */ [offset, length]) => ({ offset, length })));
  const whole = new Uint8Array(disk.size);
  let filled = 0, progress = 0;
  for await (const chunk of disk.stream({ chunkSize: 300_001, onProgress: (/** @type {any} */ p) => { progress = p.done / p.total; } })) {
    whole.set(chunk, filled);
    filled += chunk.length;
  }
  let left = 0;
  for await (const chunk of disk.stream({ offset: 5, length: 5_000_000n })) {
    left = chunk.length;
    break;
  }
  const sameMany = many.every((/** @type {Uint8Array} */ bytes, /** @type {number} */ i) =>
    bytes.length === ranges[i][1] && bytes.every((b, at) => b === whole[ranges[i][0] + at]));
  const digest = plain(new Uint8Array(await crypto.subtle.digest("SHA-256", whole)));
  const { size, features } = disk;
  await disk.close();
  return { told, size, features, before, part, after, sameMany, filled, progress, left, digest };
}

/** Runs in the page: everything that can be refused. */
async function refusals(/** @type {any} */ { url, name, readOnly }) {
  const { open, NbdError } = await import(/** @type {any} */ ("/client/index.js"));
  const disk = await open(url, { export: name, tls: { mode: "off" }, readOnly });
  const tries = { trim: disk.trim(0, 4096), zero: disk.zero(0, 4096), unmap: disk.zero(0, 4096, { unmap: true }), write: disk.write(0, new Uint8Array(1)), cache: disk.cache(0, 4096) };
  /** @type {Record<string, string>} */ const codes = {};
  for (const [method, call] of Object.entries(tries)) {
    codes[method] = await call.then(() => "done", (/** @type {any} */ e) => `${e instanceof NbdError && e.code}, ${e.stage}, ${e.retryable}`);
  }
  const status = await disk.blockStatus(1, 5000);
  await disk.close();
  return { codes, status };
}

/** @param {Buffer} bytes */
async function digest(bytes) {
  const { createHash } = await import("node:crypto");
  return [...createHash("sha256").update(bytes).digest()];
}

/**
 * Extents follow one another over the whole range, and say nothing untrue.
 * @param {{offset: number, length: number, type: string}[]} extents @param {number} from @param {number} to @param {Buffer} [content]
 */
function checkExtents(extents, from, to, content) {
  let at = from, type = "";
  for (const extent of extents) {
    assert.equal(extent.offset, at);
    assert.notEqual(extent.type, type, "neighbours of one type are one extent");
    if (content && extent.type !== "data") assert.ok(content.subarray(at, at + extent.length).every((b) => b === 0), `${extent.type} at ${at}`);
    at += extent.length;
    type = extent.type;
  }
  assert.equal(at, to);
}

/** @type {Record<string, (lab: Lab, file: string) => Promise<{target: string}>>} */
const servers = {
  "nbdkit": (lab, file) => lab.nbdkit(file),
  "nbdkit with blocks of 4096 bytes": (lab, file) => lab.nbdkit(file, undefined, "--filter=blocksize-policy", "blocksize-minimum=4096", "blocksize-error-policy=error"),
  "qemu-nbd": (lab, file) => lab.qemu(file, undefined, "--discard=unmap"),
};

/**
 * Servers that can't do everything, and tell nothing of their blocks.
 * @type {Record<string, {name: string, start: (lab: Lab, file: string) => Promise<{target: string}>, lacks: string[]}>}
 */
const modest = {
  "nbdkit": {
    name: "", lacks: ["cache"],
    start: (lab, file) => lab.nbdkit(file, undefined, "--filter=nozero", "--filter=noextents", "--filter=nocache", "cachemode=none"),
  },
  "nbd-server": { name: "open", lacks: ["cache"], start: (lab, file) => lab.nbdServer({ open: file, secret: file }) },
};

inEachBrowser("commands", ({ page: openPage, name: browser }) => {
  /** @type {Lab} */ let lab;
  before(async () => { lab = await Lab.create(); });
  after(() => lab.close());

  for (const [server, start] of Object.entries(servers)) {
    test(server, async () => {
      const file = await lab.disk(`${browser}-${server}.img`, pattern(0, half));
      await truncate(file, diskSize);
      const { target } = await start(lab, file);
      const bridge = await lab.bridge({ lab: target });
      const page = await openPage(bridge.page);
      const name = server === "qemu-nbd" ? "vda" : "";
      const result = /** @type {any} */ (await page.evaluate(exercise, { url: bridge.url("lab"), name, zeroes, trims, ranges, half }));
      await page.close();

      assert.deepEqual([result.told.size, result.told.exportName, result.told.tls], [diskSize, name, null]);
      assert.deepEqual(result.told.features, result.features);
      assert.deepEqual([result.features.flush, result.features.trim, result.features.zero], [true, true, true]);

      const content = await readFile(file);
      const want = pattern(0, diskSize);
      want.fill(0, half);
      const original = Buffer.from(want);
      for (const [offset, length] of /** @type {number[][]} */ (zeroes)) want.fill(0, offset, offset + length);
      for (const [offset, length] of trims) content.copy(want, offset, offset, offset + length); // undefined
      want.set([1, 2, 3], half + 1);
      assert.ok(want.equals(content), "the backing file holds exactly what was asked for");

      checkExtents(result.before, 0, diskSize, original);
      checkExtents(result.after, 0, diskSize, content);
      assert.deepEqual(result.before.at(-1), { offset: half, length: half, type: "hole" });
      assert.deepEqual(result.part, [{ offset: half - 777, length: 777, type: "data" }, { offset: half, length: 223, type: "hole" }]);

      assert.deepEqual([result.size, result.filled, result.progress, result.left], [diskSize, diskSize, 1, MiB]);
      assert.ok(result.sameMany, "readMany and stream read the same");
      assert.deepEqual(result.digest, await digest(content));
    });
  }

  for (const [server, { name, start, lacks }] of Object.entries(modest)) {
    test(`what ${server} lacks is made up for or refused with a code, and it has data everywhere`, async () => {
      const { target } = await start(lab, await lab.disk(`${browser}-${server}-few.img`));
      const bridge = await lab.bridge({ lab: target });
      const page = await openPage(bridge.page);
      const { codes, status } = /** @type {any} */ (await page.evaluate(refusals, { url: bridge.url("lab"), name, readOnly: false }));
      const all = { trim: "done", zero: "done", unmap: "done", write: "done", cache: "done" };
      assert.deepEqual(codes, { ...all, ...Object.fromEntries(lacks.map((method) => [method, "ENOTSUP, transmission, false"])) });
      assert.deepEqual(status, [{ offset: 1, length: 5000, type: "data" }]);
      await page.close();
    });
  }

  test("a disk that is open read-only refuses every change", async () => {
    const file = await lab.disk(`${browser}-ro.img`);
    const { target } = await lab.nbdkit(file);
    const bridge = await lab.bridge({ lab: target });
    const page = await openPage(bridge.page);
    const { codes, status } = /** @type {any} */ (await page.evaluate(refusals, { url: bridge.url("lab"), name: "", readOnly: true }));
    const refused = "READ_ONLY, call, false";
    assert.deepEqual(codes, { trim: refused, zero: refused, unmap: refused, write: refused, cache: "done" });
    checkExtents(status, 1, 5001);
    assert.ok(pattern(0, diskSize).equals(await readFile(file)));
    await page.close();
  });
}, { webkit: true });
