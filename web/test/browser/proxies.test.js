// A disk through the proxies of deploy/: TLS in front, ended by nginx or
// HAProxy, and inside it the TLS session with the NBD server.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { inEachBrowser } from "./browsers.js";
import { Lab, diskSize, pattern } from "./lab.js";
import { behindHAProxy, behindNginx, proxyAddress } from "./proxies.js";

/** Runs in the page: opens the disk, compares it with its pattern, writes. */
async function exercise(/** @type {any} */ { url, tls }) {
  const { open } = await import(/** @type {any} */ ("/client/index.js"));
  const disk = await open(url, { tls, readOnly: false });
  const bytes = await disk.read(0, disk.size);
  const words = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let right = 0;
  while (right < disk.size && words.getBigUint64(right) === BigInt(right)) right += 8;
  await disk.write(4096, new Uint8Array(2_000_000).fill(0xb7), { fua: true });
  const back = await disk.read(4096, 2_000_000);
  const facts = { size: disk.size, right, written: back.every((/** @type {number} */ b) => b === 0xb7), peer: disk.tls.peer.subject };
  await disk.close();
  return facts;
}

/** @param {() => string} output @param {RegExp} line */
async function logged(output, line) {
  for (const deadline = Date.now() + 20_000; Date.now() < deadline; await delay(20)) {
    const found = output().split("\n").find((text) => line.test(text));
    if (found) return found;
  }
  throw new Error(`no line ${line} in 20 s:\n${output()}`);
}

/** @type {Lab} */ let lab;
/** @type {Awaited<ReturnType<Lab["pki"]>>} */ let outer;

/** The lab is there before the browser, which has to trust its CA. */
async function authority() {
  lab = await Lab.create();
  outer = await lab.pki("outer", "bridge.example");
  return `${outer.dir}/ca-cert.pem`;
}

inEachBrowser("behind proxies", ({ page: openPage, name: browser }) => {
  after(() => lab.close());

  for (const [proxy, behind] of /** @type {const} */ ([["nginx", behindNginx], ["HAProxy", behindHAProxy]])) {
    test(`a disk through ${proxy}`, async () => {
      const inner = await lab.pki(`${browser}-${proxy}`);
      const server = await lab.nbdkit(await lab.disk(`${browser}-${proxy}.img`, Buffer.from(pattern(0, diskSize))), inner);
      const { port, bridge } = await behind(lab, outer, `ui: true\ntargets: {lab: {address: "${server.target}"}}\n`);
      const page = await openPage(`https://bridge.example:${port}/demo/`);
      const tls = { ca: inner.ca, serverName: inner.serverName, cert: inner.cert, key: inner.key };
      const facts = await page.evaluate(exercise, { url: `wss://bridge.example:${port}/nbd/lab`, tls });
      assert.deepEqual([facts.size, facts.right, facts.written], [diskSize, diskSize, true]);
      assert.match(facts.peer, /nbd\.lab/);
      await page.close();

      const line = await logged(bridge.output, /session ended/);
      assert.match(line, /remote="?127\.0\.0\.1\b/, "the browser's address");
      assert.match(line, new RegExp(`origin=https://bridge\\.example:${port}\\b`));
      assert.ok(!bridge.output().includes(proxyAddress), "the proxy's address is nobody's");
    });
  }
}, { names: ["bridge.example"], authority });
