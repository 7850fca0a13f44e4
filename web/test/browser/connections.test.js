// Disks over several connections, and through outages.
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { inEachBrowser, until } from "./browsers.js";
import { Lab } from "./lab.js";
import { bridgeBinary, freePort } from "./processes.js";
import { Mint } from "./tickets.js";

const MiB = 1 << 20;
/** A change of all of it is more than is cut into pieces. */
const size = 80 * MiB;
const lanes = 4;

/**
 * What one lane does in its part of the disk, one after the other.
 * @typedef {{kind: "write" | "zero", offset: number, length: number, value: number}} Step
 */

/** @param {number} lane @param {number} count @returns {Step[]} */
function stepsOf(lane, count) {
  const part = size / lanes;
  return Array.from({ length: count }, (_, i) => {
    const length = 1 + (i * 7919 * (lane + 3)) % (i % 4 ? 70_000 : 2.5 * MiB);
    return { kind: i % 9 === 4 ? "zero" : "write", offset: lane * part + (i * 611_953) % (part - length), length, value: 1 + (i + lane * 50) % 255 };
  });
}

/** Runs in the page: opens a disk and notes what it tells. */
async function openDisk(/** @type {any} */ { url, options, tickets = [] }) {
  const { open } = await import(/** @type {any} */ ("/client/index.js"));
  const state = /** @type {any} */ (globalThis);
  Object.assign(state, { told: [], asked: 0, steps: 0 });
  const token = () => Promise.resolve(tickets[state.asked++]);
  const disk = state.disk = await open(url, { ...options, ...(tickets.length && { token }), readOnly: false });
  for (const name of ["reconnecting", "reconnected", "stalled", "closed"]) disk.on(name, () => state.told.push(name));
  return { connections: disk.connections, multiple: disk.features.multipleConnections, tls: disk.tls?.version, identity: disk.identity };
}

/** Runs in the page: does the lanes' steps and reads each back; what is read wrong is told. */
async function work(/** @type {any} */ { plan }) {
  const state = /** @type {any} */ (globalThis);
  const { disk } = state;
  /** @type {string[]} */ const wrong = [];
  await Promise.all(plan.map(async (/** @type {any[]} */ steps) => {
    for (const { kind, offset, length, value } of steps) {
      if (kind === "zero") await disk.zero(offset, length);
      else await disk.write(offset, new Uint8Array(length).fill(value));
      const back = await disk.read(offset, length);
      const want = kind === "zero" ? 0 : value;
      if (back.some((/** @type {number} */ b) => b !== want)) wrong.push(`${kind} ${length} at ${offset}`);
      state.steps++;
    }
  }));
  await disk.flush();
  return wrong;
}

/** @param {Buffer} content @param {Step[][]} plan */
function apply(content, plan) {
  for (const { kind, offset, length, value } of plan.flat()) content.fill(kind === "zero" ? 0 : value, offset, offset + length);
  return content;
}

inEachBrowser("connections", ({ page: openPage, name: browser }) => {
  /** @type {Lab} */ let lab;
  /** @type {Awaited<ReturnType<Lab["pki"]>>} */ let pki;
  /** @type {Awaited<ReturnType<Lab["bridge"]>>} */ let bridge;
  /** @type {Awaited<ReturnType<Lab["nbdkit"]>>} */ let server;
  let file = "";
  /** @type {Record<string, any>} */ let tls;

  before(async () => {
    lab = await Lab.create();
    pki = await lab.pki("pki");
    tls = { ca: pki.ca, serverName: pki.serverName, cert: pki.cert, key: pki.key };
    file = await lab.disk(`${browser}.img`, Buffer.alloc(size, 0xaa));
    server = await lab.nbdkit(file, pki);
    bridge = await lab.bridge({ lab: server.target });
  });
  after(() => lab.close());

  test("four of them share a disk", async () => {
    const page = await openPage(bridge.page);
    const opened = await page.evaluate(openDisk, { url: bridge.url("lab"), options: { tls, connections: 4 } });
    assert.deepEqual([opened.connections, opened.multiple, opened.tls], [4, true, "TLS 1.3"]);
    assert.match(String(opened.identity), /^ws:\/\/127\.0\.0\.1:\d+\/nbd\/lab "" 83886080 sha256\//);
    const plan = Array.from({ length: lanes }, (_, lane) => stepsOf(lane, 60));
    const zeroed = await page.evaluate(async (size) => {
      const { disk } = /** @type {any} */ (globalThis);
      await disk.zero(0, size);
      return disk.blockStatus(0, size);
    }, size);
    assert.ok(zeroed.every((/** @type {any} */ extent) => extent.type !== "data"));
    assert.deepEqual(await page.evaluate(work, { plan }), []);
    const { told, alive, locks, requests, rest } = await page.evaluate(async () => {
      const { disk, told } = /** @type {any} */ (globalThis);
      const { requests, ...rest } = disk.stats();
      const held = async () => ((await navigator.locks.query()).held ?? []).length;
      const locks = [await held()];
      const bytes = await disk.read(5, 1);
      await disk.write(5, bytes);
      locks.push(await held());
      await disk.flush();
      locks.push(await held());
      const alive = await disk.check();
      await disk.close();
      return { told, alive, locks, requests, rest };
    });
    assert.ok(apply(Buffer.alloc(size), plan).equals(await readFile(file)), "the backing file holds what was written");
    assert.equal(alive, true);
    assert.deepEqual(locks, [0, 1, 0], "a lock is held while something is not flushed");
    assert.deepEqual([told, rest.inFlight, rest.reconnects], [["closed"], 0, 0]);
    assert.ok(requests > 480 && rest.latency.p50 > 0 && rest.bytesRead > MiB && rest.bytesWritten > MiB);
    await page.close();
  });

  test("a bridge that is killed and started again loses nothing", async () => {
    // The page comes from another bridge, which stays.
    const args = ["--origin", new URL(bridge.page).origin];
    const doomed = await lab.bridge({ lab: server.target }, ...args);
    const page = await openPage(bridge.page);
    await page.evaluate(openDisk, { url: doomed.url("lab"), options: { tls, connections: 3 } });
    const before = await readFile(file);
    const plan = Array.from({ length: lanes }, (_, lane) => stepsOf(lane, 80));
    const working = page.evaluate(work, { plan });
    await until(page, () => /** @type {any} */ (globalThis).steps > 60);
    await doomed.kill();
    await until(page, () => /** @type {any} */ (globalThis).told.includes("reconnecting"));
    await lab.processes.start({ port: doomed.port, host: "127.0.0.1" }, bridgeBinary,
      "serve", "--listen", `127.0.0.1:${doomed.port}`, "--target", `lab=${server.target}`, ...args);
    assert.deepEqual(await working, []);
    await until(page, () => /** @type {any} */ (globalThis).told.includes("reconnected"));
    const { told, reconnects } = await page.evaluate(async () => {
      const { disk, told } = /** @type {any} */ (globalThis);
      const { reconnects } = disk.stats();
      await disk.close();
      return { told, reconnects };
    });
    assert.ok(apply(before, plan).equals(await readFile(file)), "the backing file holds what was written");
    assert.deepEqual([reconnects >= 3, told.at(-1)], [true, "closed"], `${told}`);
    await page.close();
  });

  test("each connection shows a fresh ticket, those that are made again too", async () => {
    const port = await freePort();
    const origin = `http://127.0.0.1:${port}`;
    const mint = new Mint(origin);
    const keys = join(lab.dir, "tickets.pem");
    await writeFile(keys, mint.publicKey);
    const config = [`listen: 127.0.0.1:${port}`, `publicURL: ${origin}`, `origins: ["${new URL(bridge.page).origin}"]`,
      `auth: {tickets: {keys: ${keys}, audience: "${origin}", once: true}}`, `targets: {lab: {address: "${server.target}"}}`, ""].join("\n");
    const doomed = await lab.configuredBridge({ port, host: "127.0.0.1" }, config);
    const page = await openPage(bridge.page);
    const tickets = Array.from({ length: 50 }, () => mint.ticket());
    const opened = await page.evaluate(openDisk, { url: `ws://127.0.0.1:${port}/nbd/lab`, options: { tls, connections: 2 }, tickets });
    assert.equal(opened.connections, 2);
    assert.equal(await page.evaluate(() => /** @type {any} */ (globalThis).asked), 2);
    await doomed.kill();
    await lab.configuredBridge({ port, host: "127.0.0.1" }, config);
    assert.equal(await page.evaluate(async () => (await /** @type {any} */ (globalThis).disk.read(0, 4 << 20)).length), 4 * MiB);
    assert.ok(await page.evaluate(() => /** @type {any} */ (globalThis).asked) >= 4);
    await page.evaluate(() => /** @type {any} */ (globalThis).disk.close());

    const failed = await page.evaluate(async ({ url, tls }) => {
      const { list } = await import(/** @type {any} */ ("/client/index.js"));
      return list(url, { tls, token: async () => { throw new Error("no network"); } }).catch((/** @type {any} */ e) => `${e.code}: ${e.message}`);
    }, { url: `ws://127.0.0.1:${port}/nbd/lab`, tls });
    assert.match(String(failed), /^UNAUTHORISED: .*no network/);
    await page.close();
  });
});
