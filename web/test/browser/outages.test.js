// Bridges and servers that are killed and come back, and networks that fail:
// what a disk was given is there afterwards, or it says honestly that it isn't.
import assert from "node:assert/strict";
import { createHash, randomInt } from "node:crypto";
import { open, readFile, truncate } from "node:fs/promises";
import { after, before, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { inEachBrowser, until } from "./browsers.js";
import { Lab, diskSize, pattern } from "./lab.js";
import { Path, restart } from "./path.js";

const MiB = 1 << 20;
const copySize = 1 << 30;

/** @typedef {import("puppeteer-core").Page} Page */
/** @typedef {import("./path.js").Bridge} Bridge */
/** @typedef {import("./path.js").Server} Server */
/** @typedef {import("./hole.js").Hole} Hole */

/** @type {Record<string, (path: Path) => Promise<void>>} */
const outages = {
  "the bridge is killed": (path) => restart(path.bridge, 500),
  "the server is killed": (path) => restart(path.server, 500),
  "the network is cut": async ({ hole }) => {
    hole.hold();
    await delay(1500);
    hole.reset();
  },
};

/**
 * Runs in the page: begins to copy a disk to another one. It takes longer than
 * the driver waits for an answer, so the outcome, too, is left in the page;
 * done is how far it is.
 */
async function beginCopy(/** @type {any} */ { from, to, options }) {
  const { open } = await import(/** @type {any} */ ("/client/index.js"));
  const state = /** @type {any} */ (globalThis);
  const source = await open(from.url, { ...options, ...from.options });
  const target = await open(to.url, { ...options, ...to.options, readOnly: false });
  state.done = 0;
  const copy = async () => {
    let offset = 0;
    /** @type {Set<Promise<void>>} */ const writes = new Set();
    for await (const chunk of source.stream()) {
      const { length } = chunk;
      /** @type {Promise<void>} */ const writing = target.write(offset, chunk, { transfer: true }).then(() => {
        state.done += length;
        writes.delete(writing);
      });
      writing.catch(() => {}); // told by race or all
      writes.add(writing);
      offset += length;
      if (writes.size >= 8) await Promise.race(writes);
    }
    await Promise.all(writes);
    await target.flush();
    const reconnects = [source.stats().reconnects, target.stats().reconnects];
    await Promise.all([source.close(), target.close()]);
    return { copied: offset, reconnects };
  };
  copy().then((result) => { state.outcome = { result }; }, (error) => { state.outcome = { error: String(error) }; });
  return [source.connections, target.connections];
}

/**
 * Runs in the page: random reads, writes and zeros at many places at once,
 * until it is told to stop. What is read must be what was written.
 */
async function scramble(/** @type {any} */ { url, options, seed, layered }) {
  const { open } = await import(/** @type {any} */ ("/client/index.js"));
  const { memoryStore, withCache, withOverlay } = await import(/** @type {any} */ ("/client/layers/index.js"));
  const state = /** @type {any} */ (globalThis);
  const random = (/** @type {number} */ below) => { // mulberry32
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), seed | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
  const disk = await open(url, { ...options, readOnly: false });
  const cached = withCache(disk, { size: 2 << 20 });
  const device = layered ? withOverlay(cached, memoryStore()) : cached;
  const model = await device.read(0, device.size);
  let wrong = 0;
  state.count = state.reconnected = 0;
  disk.on("reconnected", () => { state.reconnected++; });

  /** One operation between two places. */
  const operate = async (/** @type {number} */ from, /** @type {number} */ to) => {
    const offset = from + random(to - from), length = 1 + random(Math.min(128 << 10, to - offset));
    const kind = random(10);
    if (kind < 5) {
      const bytes = new Uint8Array(length).map((_, i) => offset + i * kind);
      model.set(bytes, offset);
      await device.write(offset, bytes, { fua: kind === 0 });
    } else if (kind === 5) {
      model.fill(0, offset, offset + length);
      await device.zero(offset, length);
    } else if (kind === 6) await (layered && from === 0 ? device.commit() : device.flush());
    else if ((await device.read(offset, length)).some((/** @type {number} */ b, /** @type {number} */ i) => b !== model[offset + i])) wrong++;
    state.count++;
  };
  const lane = async (/** @type {unknown} */ _, /** @type {number} */ i) => {
    const width = Math.floor(device.size / 7);
    while (!state.enough) {
      await operate(i * width, (i + 1) * width);
      await new Promise((resolve) => setTimeout(resolve)); // what memory answers lets no event in
    }
  };
  const lanes = Array.from({ length: 7 }, lane);
  await Promise.all(lanes);
  if (layered) await device.commit();
  await device.flush();
  const { reconnects } = disk.stats();
  await device.close();
  const digest = [...new Uint8Array(await crypto.subtle.digest("SHA-256", model))].map((b) => b.toString(16).padStart(2, "0")).join("");
  return { count: state.count, wrong, digest, reconnects, closed: (await disk.closed)?.code };
}

/** Runs in the page: reads and writes of which none may fail, with the events meanwhile. */
async function persist(/** @type {any} */ { url, options }) {
  const { open } = await import(/** @type {any} */ ("/client/index.js"));
  const state = /** @type {any} */ (globalThis);
  const disk = await open(url, { ...options, readOnly: false });
  /** @type {string[]} */ const events = [];
  for (const name of ["stalled", "resumed", "reconnecting", "reconnected", "closed"]) {
    disk.on(name, () => { if (events.at(-1) !== name) events.push(name); });
  }
  await disk.write(0, new Uint8Array(100).fill(1));
  let calls = 0;
  const lane = async (/** @type {number} */ i) => {
    for (let n = 0; !state.enough || n === 0; n++) {
      await disk.write(i * 1000, new Uint8Array(100).fill(i));
      if ((await disk.read(i * 1000, 100)).some((/** @type {number} */ b) => b !== i)) throw new Error("it reads what was not written");
      calls += 2;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  };
  const lanes = [1, 2, 3].map(lane);
  state.running = true;
  await Promise.all(lanes);
  await disk.flush();
  await disk.close();
  return { calls, events };
}

/** Runs in the page: holds on to a disk that will not come back. */
async function giveUp(/** @type {any} */ { url, options, reconnect }) {
  const { open } = await import(/** @type {any} */ ("/client/index.js"));
  const state = /** @type {any} */ (globalThis);
  const disk = await open(url, { ...options, readOnly: false, reconnect });
  const codeOf = (/** @type {any} */ error) => error.code ?? String(error);
  const until = async (/** @type {(...args: any[]) => Promise<unknown>} */ call) => {
    for (;;) await call();
  };
  const lanes = [() => disk.read(0, 1 << 20), () => disk.write(0, new Uint8Array(4096)), () => disk.flush(), () => disk.blockStatus(0, 4096)].map((call) => until(call).catch(codeOf));
  state.running = true;
  while (!state.away) await new Promise((resolve) => setTimeout(resolve, 10));
  const checked = await disk.check({ timeout: 500 }).then(() => "fine", codeOf);
  const codes = await Promise.all(lanes);
  const closed = await disk.closed;
  const later = await disk.read(0, 1).catch(codeOf);
  await disk.close();
  return { codes, checked, closed: closed?.code, message: closed?.message, later };
}

/**
 * Waits until so much is copied, or until the copy has ended.
 * @param {Page} page @param {number} [bytes]
 */
async function copied(page, bytes = Infinity) {
  for (;;) {
    const { done, outcome } = await page.evaluate(() => ({ done: /** @type {any} */ (globalThis).done, outcome: /** @type {any} */ (globalThis).outcome }));
    if (outcome?.error) throw new Error(outcome.error);
    if (outcome || done >= bytes) return outcome?.result;
    await delay(25);
  }
}

/**
 * Compares a file with the pattern, a MiB at a time: only the upper halves of
 * its words' lower halves differ from one MiB to the next.
 * @param {string} file @param {number} size
 */
async function isPattern(file, size) {
  const handle = await open(file);
  try {
    const bytes = Buffer.alloc(MiB);
    for (let at = 0; at < size; at += MiB) {
      const { bytesRead } = await handle.read(bytes, 0, MiB, at);
      if (bytesRead !== MiB || !bytes.equals(pattern(at, MiB))) return false;
    }
    return true;
  } finally {
    await handle.close();
  }
}

inEachBrowser("outages", ({ page: openPage, name: browser }) => {
  /** @type {Lab} */ let lab;
  /** @type {Bridge} */ let pages;
  /** @type {Awaited<ReturnType<Lab["pki"]>>} */ let pki;
  /** @type {Record<string, any>} */ let options;
  /** @type {Hole[]} */ const holes = [];
  before(async () => {
    lab = await Lab.create();
    pki = await lab.pki("pki");
    pages = await lab.bridge({ none: "tcp://127.0.0.1:1" });
    options = { tls: { ca: pki.ca, serverName: pki.serverName, cert: pki.cert, key: pki.key } };
  });
  after(async () => {
    await Promise.all(holes.map((hole) => hole.close()));
    await lab.close();
  });
  /** @param {Server} server */
  const to = async (server) => {
    const path = await Path.through(lab, server, pages);
    holes.push(path.hole);
    return path;
  };

  if (browser === "chromium") {
    test("a copy of 1 GiB, with every part of both ways failing once", async () => {
      const file = await lab.disk("target.img", Buffer.alloc(0));
      await truncate(file, copySize);
      const source = await to(await lab.nbdkitPattern(copySize, pki));
      const target = await to(await lab.qemu(file, pki));
      const page = await openPage(pages.page);
      const connections = await page.evaluate(beginCopy, {
        from: { url: source.url, options: { connections: 2 } }, to: { url: target.url, options: { export: "vda", connections: 2 } }, options,
      });
      assert.deepEqual(connections, [2, 2]);
      const failures = [...Object.values(outages).map((fail) => () => fail(target)), ...Object.values(outages).map((fail) => () => fail(source))];
      for (const [i, fail] of failures.entries()) {
        await copied(page, copySize * (i + 1) / 8);
        await fail();
      }
      const result = await copied(page);
      await page.close();
      assert.equal(result.copied, copySize);
      assert.ok(result.reconnects.every((/** @type {number} */ n) => n >= 3), `reconnects: ${result.reconnects}`);
      assert.ok(await isPattern(file, copySize), "the copy is equal");
    });

    test("20 seconds without network are nothing to a reader or writer", async () => {
      const path = await to(await lab.nbdkit(await lab.disk("patient.img"), pki));
      const page = await openPage(pages.page);
      const persisting = /** @type {Promise<any>} */ (page.evaluate(persist, { url: path.url, options }));
      await until(page, () => /** @type {any} */ (globalThis).running);
      path.hole.hold();
      await delay(20_000); // the length of the outage is what is tested
      path.hole.reset();
      await page.evaluate(() => { /** @type {any} */ (globalThis).enough = true; });
      const { calls, events } = await persisting;
      await page.close();
      assert.ok(calls >= 6, `${calls} calls`);
      assert.deepEqual(events, ["stalled", "reconnecting", "reconnected", "resumed", "closed"]);
    });
  }

  /** @type {Record<string, {layered: boolean, more: object, start: (file: string) => Promise<Server>}>} */
  const stacks = {
    "a cache over four connections to nbdkit": { layered: false, more: { connections: 4 }, start: (file) => lab.nbdkit(file, pki) },
    "an overlay over a cache, committed to qemu-nbd": { layered: true, more: { export: "vda" }, start: (file) => lab.qemu(file, pki) },
  };
  for (const [name, { layered, more, start }] of Object.entries(stacks)) {
    test(`random changes through ${name}`, async (t) => {
      const seed = randomInt(2 ** 31);
      t.diagnostic(`seed ${seed}`);
      const file = await lab.disk(`${layered}.img`);
      const path = await to(await start(file));
      const page = await openPage(pages.page);
      const scrambling = /** @type {Promise<any>} */ (page.evaluate(scramble, { url: path.url, options: { ...options, ...more }, seed, layered }));
      scrambling.catch(() => {}); // told below
      for (const [i, fail] of Object.values(outages).entries()) {
        await Promise.race([until(page, (n) => /** @type {any} */ (globalThis).count > n, (i + 1) * 100), scrambling]);
        await fail(path);
        await Promise.race([until(page, (n) => /** @type {any} */ (globalThis).reconnected > n, i), scrambling]);
      }
      await page.evaluate(() => { /** @type {any} */ (globalThis).enough = true; });
      const result = await scrambling;
      await page.close();
      assert.equal(result.wrong, 0, "reads that gave something else than was written");
      assert.equal(result.digest, createHash("sha256").update(await readFile(file)).digest("hex"), "the backing file holds what was written");
      assert.equal(result.closed, undefined);
      t.diagnostic(`${result.count} operations, ${result.reconnects} connections made again`);
    });
  }

  /** @type {[string, (path: Path) => Promise<void> | void, string][]} */
  const ends = [
    ["a bridge that stays away", ({ bridge }) => bridge.kill(), "BRIDGE_UNREACHABLE"],
    ["a server that stays away", ({ server }) => server.kill(), "TARGET_UNREACHABLE"],
    ["a network that swallows everything", ({ hole }) => hole.hold(), "BRIDGE_UNREACHABLE"],
  ];
  for (const [name, fail, code] of ends) {
    test(`${name} ends the disk when the time is up`, async () => {
      const path = await to(await lab.nbdkit(await lab.disk("end.img"), pki));
      const page = await openPage(pages.page);
      const ending = /** @type {Promise<any>} */ (page.evaluate(giveUp, { url: path.url, options, reconnect: { giveUpAfter: 1500 } }));
      await until(page, () => /** @type {any} */ (globalThis).running);
      await fail(path);
      await page.evaluate(() => { /** @type {any} */ (globalThis).away = true; });
      const result = await ending;
      await page.close();
      assert.equal(result.closed, code, JSON.stringify(result));
      assert.equal(result.later, code);
      for (const each of result.codes) assert.ok([code, "UNKNOWN_OUTCOME", "UNFLUSHED"].includes(each), JSON.stringify(result));
    });
  }
});
