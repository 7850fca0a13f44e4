// With TLS on, no leg of the tunnel carries 16 bytes of the disk in a row; the
// same search finds them with TLS off, so that it can fail.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, test } from "node:test";
import { inEachBrowser } from "./browsers.js";
import { Lab } from "./lab.js";
import { freePort } from "./processes.js";
import { leaks, record, webSocketPayload } from "./recorder.js";

const size = 192 << 10;

/** Runs in the page: reads the whole disk, writes half of it back elsewhere. */
async function copyHalf(/** @type {any} */ { url, tls }) {
  const { open } = await import(/** @type {any} */ ("/client/index.js"));
  const disk = await open(url, { tls, readOnly: false });
  const all = await disk.read(0, disk.size);
  await disk.write(disk.size / 2, all.subarray(0, disk.size / 2), { fua: true });
  const again = await disk.read(disk.size / 2, 4096);
  await disk.close();
  return again.every((/** @type {number} */ b, /** @type {number} */ i) => b === all[i]);
}

inEachBrowser("secrecy", ({ page: openPage, name }) => {
  /** @type {Lab} */ let lab;
  before(async () => { lab = await Lab.create(); });
  after(() => lab.close());

  for (const secure of [true, false]) {
    test(secure ? "TLS hides the disk on both legs" : "without TLS both legs show it", async () => {
      const content = randomBytes(size);
      const pki = secure ? await lab.pki(`pki-${name}`) : undefined;
      const server = await lab.nbdkit(await lab.disk(`disk-${secure}.img`, content), pki);
      const inner = await record({ host: "127.0.0.1", port: server.port });
      const port = await freePort();
      const outer = await record({ host: "127.0.0.1", port });
      const base = `http://127.0.0.1:${outer.port}`;
      await lab.processes.start({ host: "127.0.0.1", port }, new URL("../../../bin/bridge", import.meta.url).pathname,
        "serve", "--ui", "--listen", `127.0.0.1:${port}`, "--public-url", base, "--target", `lab=tcp://127.0.0.1:${inner.port}`);

      const page = await openPage(`${base}/demo/`);
      const tls = pki ? { ca: pki.ca, serverName: pki.serverName, cert: pki.cert, key: pki.key } : { mode: "off" };
      assert.ok(await page.evaluate(copyHalf, { url: `ws://127.0.0.1:${outer.port}/nbd/lab`, tls }));
      await page.close();

      const legs = { browser: Buffer.concat(outer.streams().map(webSocketPayload)), server: Buffer.concat(inner.streams()) };
      await Promise.all([inner.close(), outer.close()]);
      for (const [leg, bytes] of Object.entries(legs)) {
        assert.ok(bytes.length > size * 1.5, `the ${leg}'s leg was recorded: ${bytes.length} bytes`);
        const found = leaks(bytes, content);
        if (secure) assert.equal(found, 0, `the ${leg}'s leg shows disk data`);
        else assert.ok(found > size, `the search finds nothing on the ${leg}'s leg: ${found}`);
      }
    });
  }
});
