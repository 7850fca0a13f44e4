// nbd-server in its three modes of TLS. Of the foreign servers it alone has
// exports for TLS only beside open ones.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { inEachBrowser } from "./browsers.js";
import { Lab, pattern } from "./lab.js";

/** Runs in the page: opens, writes if the export is to be written, reads. */
async function attempt(/** @type {any} */ { url, options, at }) {
  const { open } = await import(/** @type {any} */ ("/client/index.js"));
  try {
    const disk = await open(url, { ...options, readOnly: at === undefined });
    if (at !== undefined) await disk.write(at, new Uint8Array(3000).fill(0xa5), { fua: true });
    const bytes = [...await disk.read(4093, 16)];
    const { tls } = disk;
    await disk.close();
    return { code: "opened", bytes, tls };
  } catch (error) {
    const { code, message } = /** @type {any} */ (error);
    return { code, message };
  }
}

inEachBrowser("nbd-server", ({ page: openPage, name: browser }) => {
  /** @type {Lab} */ let lab;
  /** @type {Awaited<ReturnType<Lab["bridge"]>>} */ let bridge;
  /** @type {import("puppeteer-core").Page} */ let page;
  /** @type {Record<string, any>} */ const tls = { off: { mode: "off" } };
  /** @type {Record<string, {open: string, secret: string}>} */ const files = {};

  before(async () => {
    lab = await Lab.create();
    const [pki, stranger] = [await lab.pki("pki"), await lab.pki("stranger")];
    const server = { ca: pki.ca, serverName: pki.serverName };
    Object.assign(tls, {
      require: { ...server, cert: pki.cert, key: pki.key },
      prefer: { ...server, cert: pki.cert, key: pki.key, mode: "prefer" },
      anonymous: server,
      stranger: { ...server, cert: stranger.cert, key: stranger.key },
    });
    for (const mode of ["notls", "selective", "forced"]) {
      files[mode] = { open: await lab.disk(`${mode}-open.img`), secret: await lab.disk(`${mode}-secret.img`) };
    }
    const servers = {
      notls: await lab.nbdServer(files.notls),
      selective: await lab.nbdServer(files.selective, pki),
      forced: await lab.nbdServer(files.forced, pki, true),
    };
    bridge = await lab.bridge(Object.fromEntries(Object.entries(servers).map(([name, { target }]) => [name, target])));
    page = await openPage(bridge.page);
  });
  after(() => lab.close());

  // Mode of the server, export, what the page asks for, and what comes of it.
  const cases = /** @type {const} */ ([
    ["notls", "open", "off", "plain"],
    ["notls", "open", "prefer", "plain"],
    ["notls", "open", "require", "TLS_NOT_OFFERED"],
    ["selective", "open", "off", "plain"],
    ["selective", "open", "prefer", "TLS"],
    ["selective", "open", "require", "TLS"],
    ["selective", "secret", "off", "TLS_REQUIRED"],
    ["selective", "secret", "require", "TLS"],
    ["selective", "secret", "anonymous", "TLS_CLIENT_CERTIFICATE"],
    ["forced", "open", "off", "TLS_REQUIRED"],
    ["forced", "secret", "prefer", "TLS"],
    ["forced", "open", "require", "TLS"],
    ["forced", "open", "anonymous", "TLS_CLIENT_CERTIFICATE"],
    ["forced", "open", "stranger", "TLS_CLIENT_CERTIFICATE"],
  ]);
  for (const [mode, name, asked, want] of cases) {
    test(`${mode}: ${name} with ${asked}`, async () => {
      const result = /** @type {any} */ (await page.evaluate(attempt, { url: bridge.url(mode), options: { export: name, tls: tls[asked] } }));
      if (want !== "plain" && want !== "TLS") {
        assert.equal(result.code, want, result.message);
        return;
      }
      assert.equal(result.code, "opened", result.message);
      assert.deepEqual(result.bytes, [...pattern(4093, 16)]);
      if (want === "plain") assert.equal(result.tls, null);
      else assert.deepEqual([result.tls.verifiedBy, result.tls.serverName, /^TLS 1\.[23]$/.test(result.tls.version)], ["ca", "nbd.lab", true]);
    });
  }

  test(`what ${browser} writes is in the file`, async () => {
    const at = 1 << 20;
    const result = /** @type {any} */ (await page.evaluate(attempt, { url: bridge.url("selective"), options: { export: "secret", tls: tls.require }, at }));
    assert.equal(result.code, "opened", result.message);
    const want = Buffer.from(pattern(0, 8 << 20)).fill(0xa5, at, at + 3000);
    assert.ok(want.equals(await readFile(files.selective.secret)));
  });
});
