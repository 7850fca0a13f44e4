// Every failure that a user can meet has a code of its own and says what to do.
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { inEachBrowser, until } from "./browsers.js";
import { Lab } from "./lab.js";
import { freePort } from "./processes.js";

/** Runs in the page: tries to open and read; tells how it failed. */
async function attempt(/** @type {any} */ { url, options }) {
  const { open, NbdError } = await import(/** @type {any} */ ("/client/index.js"));
  const timeout = new Promise((resolve) => setTimeout(resolve, 30_000, { code: "nothing for 30 s" }));
  const trial = (async () => {
    const disk = await open(url, options);
    await disk.read(0, 512);
    await disk.close();
    return { code: "no failure" };
  })().catch((error) => ({ code: error.code, message: error.message, typed: error instanceof NbdError }));
  return Promise.race([trial, timeout]);
}

/** Runs in the page: reads until the connection dies, with others waiting. */
async function readUntilCut(/** @type {any} */ { url, options }) {
  const { open } = await import(/** @type {any} */ ("/client/index.js"));
  const disk = await open(url, { ...options, reconnect: false });
  const state = /** @type {any} */ (globalThis);
  state.reading = true;
  const lane = async () => {
    for (;;) await disk.read(0, 1 << 20);
  };
  const lanes = await Promise.allSettled([lane(), lane(), lane(), disk.read(0, 8 << 20).then(lane)]);
  const closed = await disk.closed;
  const later = await disk.read(0, 1).catch((/** @type {any} */ error) => error.code);
  return { codes: lanes.map((l) => /** @type {any} */ (l).reason?.code), closed: closed?.code, message: closed?.message, later };
}

inEachBrowser("failing", ({ page: openPage }) => {
  /** @type {Lab} */ let lab;
  /** @type {Record<string, any>} */ let right;
  /** @type {string} */ let strangerCA;
  /** @type {number} */ let serverPort;
  /** @type {Awaited<ReturnType<Lab["bridge"]>>} */ let bridge;
  /** @type {import("puppeteer-core").Page} */ let page;

  before(async () => {
    lab = await Lab.create();
    const pki = await lab.pki("pki");
    strangerCA = (await lab.pki("stranger")).ca;
    const file = await lab.disk("disk.img");
    const secure = await lab.qemu(file, pki);
    serverPort = secure.port;
    const plain = await lab.nbdkit(file);
    const kit = await lab.nbdkit(file, pki);
    bridge = await lab.bridge({ secure: secure.target, kit: kit.target, plain: plain.target, dead: `tcp://127.0.0.1:${await freePort()}` });
    right = { ca: pki.ca, serverName: pki.serverName, cert: pki.cert, key: pki.key };
    page = await openPage(bridge.page);
  });
  after(() => lab.close());

  /** @type {[string, string, () => Record<string, any>, string, RegExp][]} */
  const cases = [
    ["the right settings", "secure", () => ({ tls: right }), "no failure", /^$/],
    ["a wrong CA", "secure", () => ({ tls: { ...right, ca: strangerCA } }), "TLS_UNTRUSTED", /tls\.ca/],
    ["a wrong server name", "secure", () => ({ tls: { ...right, serverName: "other.lab" } }), "TLS_SERVER_NAME", /other\.lab/],
    ["no client certificate", "secure", () => ({ tls: { ...right, cert: undefined, key: undefined } }), "TLS_CLIENT_CERTIFICATE", /tls\.cert/],
    ["no client certificate for nbdkit", "kit", () => ({ tls: { ...right, cert: undefined, key: undefined } }), "TLS_CLIENT_CERTIFICATE", /tls\.cert/],
    ["a wrong pin", "secure", () => ({ tls: { ...right, pins: ["00".repeat(32)] } }), "TLS_PIN", /sha256\//],
    ["a server without TLS", "plain", () => ({ tls: right }), "TLS_NOT_OFFERED", /TLS/],
    ["a server that insists on TLS", "secure", () => ({ tls: { mode: "off" } }), "TLS_REQUIRED", /require/],
    ["an unknown target", "nowhere", () => ({ tls: right }), "UNKNOWN_TARGET", /--target/],
    ["an unknown export", "secure", () => ({ tls: right, export: "nope" }), "UNKNOWN_EXPORT", /nope/],
    ["a dead server", "dead", () => ({ tls: right }), "TARGET_UNREACHABLE", /NBD server/],
    ["no trust at all", "secure", () => ({}), "INVALID_ARGUMENT", /tls\.ca|pins/],
    ["a misspelt option", "secure", () => ({ tls: right, readonly: false }), "INVALID_ARGUMENT", /readonly/],
  ];
  for (const [name, target, options, code, text] of cases) {
    test(name, async () => {
      const result = /** @type {any} */ (await page.evaluate(attempt, { url: bridge.url(target), options: { export: "vda", ...options() } }));
      assert.equal(result.code, code, result.message);
      if (code !== "no failure") {
        assert.ok(result.typed);
        assert.match(result.message, text);
      }
    });
  }

  test("no bridge at all", async () => {
    const url = `ws://127.0.0.1:${await freePort()}/nbd/secure`;
    const result = /** @type {any} */ (await page.evaluate(attempt, { url, options: { tls: right } }));
    assert.equal(result.code, "BRIDGE_UNREACHABLE", result.message);
  });

  test("a page of a forbidden origin", async () => {
    const other = await lab.bridge({}, "--target", "lab=tcp://127.0.0.1:1");
    const foreign = await openPage(other.page);
    const result = /** @type {any} */ (await foreign.evaluate(attempt, { url: bridge.url("secure"), options: { tls: right } }));
    assert.equal(result.code, "FORBIDDEN_ORIGIN", result.message);
    assert.match(result.message, /--origin/);
    await foreign.close();
  });

  test("an NBD server killed in mid-read", async () => {
    const doomed = await lab.qemu(join(lab.dir, "disk.img"), { dir: join(lab.dir, "pki") });
    const between = await lab.bridge({ doomed: doomed.target });
    const victim = await openPage(between.page);
    const outcome = victim.evaluate(readUntilCut, { url: between.url("doomed"), options: { export: "vda", tls: right } });
    await until(victim, () => /** @type {any} */ (globalThis).reading);
    await doomed.kill();
    const result = /** @type {any} */ (await outcome);
    assert.deepEqual([...result.codes, result.closed, result.later], Array(6).fill("DISCONNECTED"));
    assert.match(result.message, /NBD server/);
    await victim.close();
  });

  test("a bridge killed in mid-read", async () => {
    // The page comes from one bridge and the disk through another, so that the
    // page's own files survive the kill.
    const doomed = await lab.bridge({ secure: `tcp://127.0.0.1:${serverPort}` }, "--origin", new URL(bridge.page).origin);
    const victim = await openPage(bridge.page);
    const outcome = victim.evaluate(readUntilCut, { url: doomed.url("secure"), options: { export: "vda", tls: right } });
    await until(victim, () => /** @type {any} */ (globalThis).reading);
    await doomed.kill();
    const result = /** @type {any} */ (await outcome);
    assert.deepEqual(result.codes, Array(4).fill("DISCONNECTED"));
    assert.deepEqual([result.closed, result.later], ["DISCONNECTED", "DISCONNECTED"]);
    assert.match(result.message, /open the disk again/);
    await victim.close();
  });
}, { webkit: true });
