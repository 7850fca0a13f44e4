// The main job: a browser reads and writes a foreign server's export over TLS.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { inEachBrowser } from "./browsers.js";
import { Lab, diskSize, pattern } from "./lab.js";

// Odd offsets and lengths, the last byte, a long one.
const reads = [[0, 1], [1, 7], [511, 2], [4095, 4097], [1048573, 3000011], [diskSize - 1, 1], [0, diskSize]];
const writes = [[3, 1000, 0xa1], [4097, 5000, 0xa2], [1048575, 2000001, 0xa3], [diskSize - 777, 777, 0xa4]];

/** Runs in the page: reads, writes, reads back. */
async function exercise(/** @type {any} */ { url, name, tls, reads, writes }) {
  const { open } = await import(/** @type {any} */ ("/client/index.js"));
  const digest = async (/** @type {Uint8Array<ArrayBuffer>} */ bytes) =>
    [...new Uint8Array(await crypto.subtle.digest("SHA-256", bytes))].map((b) => b.toString(16).padStart(2, "0")).join("");
  const disk = await open(url, { export: name, tls, readOnly: false });
  const before = [];
  for (const [offset, length] of reads) before.push(await digest(await disk.read(offset, length)));
  await Promise.all(writes.map((/** @type {number[]} */ [offset, length, byte], /** @type {number} */ i) =>
    disk.write(offset, new Uint8Array(length).fill(byte), { fua: i % 2 === 0 })));
  await disk.flush();
  const back = [];
  for (const [offset, length, byte] of writes) {
    back.push((await disk.read(offset, length)).every((/** @type {number} */ b) => b === byte));
  }
  const slice = await disk.slice(-8, undefined);
  const facts = { size: disk.size, readOnly: disk.readOnly, blockSize: disk.blockSize, exportName: disk.exportName, tls: disk.tls };
  await disk.close();
  const closed = await disk.closed;
  return { before, back, slice: slice.byteLength, facts, closed: closed === undefined };
}

/** @param {Uint8Array} bytes */
async function digest(bytes) {
  const { createHash } = await import("node:crypto");
  return createHash("sha256").update(bytes).digest("hex");
}

inEachBrowser("reading and writing", ({ page: openPage, name: browser }) => {
  /** @type {Lab} */ let lab;
  before(async () => { lab = await Lab.create(); });
  after(() => lab.close());

  for (const server of /** @type {const} */ (["nbdkit", "qemu"])) {
    for (const secure of [true, false]) {
      test(`${server}${secure ? " over TLS with a client certificate" : " in the clear"}`, async () => {
        const label = `${browser}-${server}-${secure}`;
        const pki = secure ? await lab.pki(label) : undefined;
        const file = await lab.disk(`${label}.img`);
        const { target } = await lab[server](file, pki);
        const bridge = await lab.bridge({ lab: target });
        const page = await openPage(bridge.page);
        const name = server === "qemu" ? "vda" : "";
        const tls = pki ? { ca: pki.ca, serverName: pki.serverName, cert: pki.cert, key: pki.key } : { mode: "off" };
        const result = await page.evaluate(exercise, { url: bridge.url("lab"), name, tls, reads, writes });
        await page.close();

        const want = pattern(0, diskSize);
        for (const [i, [offset, length]] of reads.entries()) {
          assert.equal(result.before[i], await digest(want.subarray(offset, offset + length)), `read ${offset}+${length}`);
        }
        assert.deepEqual(result.back, writes.map(() => true));
        for (const [offset, length, byte] of writes) want.fill(byte, offset, offset + length);
        assert.ok(want.equals(await readFile(file)), "the backing file holds exactly what was written");

        const { facts } = result;
        assert.deepEqual([facts.size, facts.readOnly, facts.exportName, result.slice, result.closed], [diskSize, false, name, 8, true]);
        assert.equal(facts.blockSize.minimum, 1);
        if (secure) {
          assert.equal(facts.tls.version, "TLS 1.3");
          assert.equal(facts.tls.serverName, "nbd.lab");
          assert.equal(facts.tls.verifiedBy, "ca");
          assert.match(facts.tls.peer.subject, /nbd\.lab/);
        } else {
          assert.equal(facts.tls, null);
        }
      });
    }
  }
}, { webkit: true });
