// That the page of evidence never writes: every command of a whole session of
// it, on disks that could be written. Once as a foreign server has logged them,
// inside TLS; and once by the bytes on the wire, without TLS.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { makeVolume, missingForVolume } from "../volume.js";
import { inEachBrowser } from "./browsers.js";
import { DiskPage } from "./disk-page.js";
import { wholeSession } from "./forensics-session.js";
import { Lab } from "./lab.js";
import { commandsIn, requestsIn, summed } from "./nbd-requests.js";
import { missingPackages } from "./needs.js";
import { bridgeBinary, freePort } from "./processes.js";
import { record } from "./recorder.js";

/** What nbdkit logs beside commands: of connections, and of itself. */
const noCommands = ["Connect", "Disconnect", "Preconnect", "Ready", "Fork", "Cleanup", "Unload", "ListExports", "DefaultExport"];
const harmless = { nbdkit: ["Read", "Extents"], wire: ["READ", "BLOCK_STATUS", "DISC"] };

/**
 * Runs in a page, and writes to a disk in every way that there is: the proof
 * that a write would be seen.
 */
async function writeEverything(/** @type {any} */ { url, tls }) {
  const { open } = await import(/** @type {any} */ ("/client/index.js"));
  const disk = await open(url, { tls, readOnly: false });
  await disk.write(0, new Uint8Array(70_000).fill(1));
  await disk.zero(1 << 20, 1 << 16);
  await disk.trim(2 << 20, 1 << 16);
  await disk.flush();
  await disk.close();
}

inEachBrowser("every command of the page of evidence", ({ page: openPage, name: browser }) => {
  const skip = missingPackages(missingForVolume());
  /** @type {Lab} */ let lab;
  /** @type {Awaited<ReturnType<Lab["pki"]>>} */ let pki;
  /** @type {Awaited<ReturnType<Lab["bridge"]>>} */ let bridge;
  /** @type {Awaited<ReturnType<typeof record>>[]} */ let recorders;
  /** @type {string} */ let disk;
  /** @type {Buffer} */ let content;

  before(async () => {
    if (skip) return;
    lab = await Lab.create();
    pki = await lab.pki("pki");
    disk = (await makeVolume(lab.dir)).file;
    content = await readFile(disk);
    const scratch = await Promise.all(["logged", "wired"].map((name) => lab.disk(`${name}.img`)));
    const servers = await Promise.all([disk, scratch[0]].map((file, i) => lab.nbdkit(file, pki, "--filter=log", `logfile=${log(i)}`)));
    const ports = await Promise.all([disk, scratch[1]].map(serveDisk));
    recorders = await Promise.all(ports.map((port) => record({ port, host: "127.0.0.1" })));
    const [wire, wired] = recorders.map(({ port }) => `tcp://127.0.0.1:${port}`);
    bridge = await lab.bridge({ logged: servers[0].target, loggedWrites: servers[1].target, wire, wireWrites: wired });
  });
  after(async () => {
    await Promise.all(recorders?.map((recorder) => recorder.close()) ?? []);
    await lab?.close();
  });

  const log = (/** @type {number} */ i) => join(lab.dir, `commands-${i}.log`);

  /** Our own server, which has the longer headers of requests too. @param {string} file */
  async function serveDisk(file) {
    const port = await freePort();
    await lab.processes.start({ port, host: "127.0.0.1" }, bridgeBinary, "serve-disk", file, "--listen", `tcp://127.0.0.1:${port}`);
    return port;
  }

  /** What was sent over a recorder's connections, up to the farewell. @param {number} i */
  const sent = (i) => whole(async () => summed(recorders[i].streams().filter((_, n) => n % 2 === 0).map(requestsIn)), ({ DISC = 0 }) => DISC > 0);

  /** What nbdkit has logged, up to the end of the connection. @param {number} i */
  const logged = (i) => whole(async () => commandsIn(await readFile(log(i), "utf8")), ({ Connect, Disconnect = 0 }) => Disconnect > 0 && Disconnect >= Connect);

  /**
   * Counts again until the end is there: what came before it can't be missing
   * then.
   * @param {() => Promise<Record<string, number>>} count
   * @param {(counts: Record<string, number>) => boolean} ended
   */
  async function whole(count, ended) {
    for (const deadline = Date.now() + 20_000; ; await delay(20)) {
      const counts = await count();
      if (ended(counts)) return counts;
      assert.ok(Date.now() < deadline, `no end in ${JSON.stringify(counts)}`);
    }
  }

  /** @param {Record<string, number>} counts @param {string[]} known */
  const others = (counts, known) => Object.keys(counts).filter((name) => !known.includes(name));

  /** @param {string} target @param {import("./disk-page.js").Trust} [trust] */
  async function session(target, trust) {
    const it = await DiskPage.load(openPage, `${bridge.page}forensics/`);
    await wholeSession(it, target, trust);
    it.isQuiet();
    await it.page.close();
  }

  test("as nbdkit logs them, inside TLS: reads and questions about blocks", { skip }, async (t) => {
    await session("logged", pki);
    const counts = await logged(0);
    t.diagnostic(JSON.stringify(counts));
    assert.deepEqual(others(counts, [...noCommands, ...harmless.nbdkit]), []);
    assert.ok(counts.Read > 50 && counts.Extents > 0, JSON.stringify(counts));
    assert.ok(content.equals(await readFile(disk)), "the disk has changed");
  });

  test("on the wire, without TLS: the same", { skip }, async (t) => {
    await session("wire");
    const counts = await sent(0);
    t.diagnostic(JSON.stringify(counts));
    assert.deepEqual(others(counts, harmless.wire), []);
    assert.ok(counts.READ > 50 && counts.BLOCK_STATUS > 0, JSON.stringify(counts));
    assert.ok(content.equals(await readFile(disk)), "the disk has changed");
  });

  test("a write would have been seen in both", { skip }, async () => {
    const page = await openPage(bridge.page);
    await page.evaluate(writeEverything, { url: bridge.url("loggedWrites"), tls: { ca: pki.ca, serverName: pki.serverName, cert: pki.cert, key: pki.key } });
    await page.evaluate(writeEverything, { url: bridge.url("wireWrites"), tls: { mode: "off" } });
    await page.close();
    assert.deepEqual(others(await logged(1), [...noCommands, ...harmless.nbdkit]).sort(), ["Flush", "Trim", "Write", "Zero"]);
    assert.deepEqual(others(await sent(1), harmless.wire).sort(), ["FLUSH", "TRIM", "WRITE", "WRITE_ZEROES"]);
  });
});
