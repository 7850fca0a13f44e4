// A client certificate whose key the browser keeps: no page can read it.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { inEachBrowser } from "./browsers.js";
import { Lab, pattern } from "./lab.js";

/** Runs in the page: makes a key that stays there, and tells its public half. */
async function makeKey(/** @type {any} */ algorithm) {
  const { privateKey, publicKey } = await crypto.subtle.generateKey(algorithm, false, ["sign", "verify"]);
  /** @type {any} */ (globalThis).key = privateKey;
  const secret = await crypto.subtle.exportKey("pkcs8", privateKey).then(() => "exported", (error) => error.name);
  const spki = new Uint8Array(await crypto.subtle.exportKey("spki", publicKey));
  return { secret, spki: btoa(String.fromCharCode(...spki)) };
}

/** Runs in the page: reads with its key, or with another one. */
async function readWith(/** @type {any} */ { url, tls, another }) {
  const { open } = await import(/** @type {any} */ ("/client/index.js"));
  const key = another ? (await crypto.subtle.generateKey(another, false, ["sign", "verify"])).privateKey : /** @type {any} */ (globalThis).key;
  try {
    const disk = await open(url, { tls: { ...tls, key } });
    const bytes = [...await disk.read(4096, 8)];
    await disk.close();
    return { bytes, version: disk.tls.version };
  } catch (/** @type {any} */ error) {
    return { code: error.code, message: error.message };
  }
}

/** @type {Record<string, {name: string, namedCurve?: string}>} */
const algorithms = { "ECDSA on P-256": { name: "ECDSA", namedCurve: "P-256" }, "Ed25519": { name: "Ed25519" } };

inEachBrowser("keys that stay in the browser", ({ page: openPage, name: browser }) => {
  /** @type {Lab} */ let lab;
  before(async () => { lab = await Lab.create(); });
  after(() => lab.close());

  for (const [title, algorithm] of Object.entries(algorithms)) {
    test(title, async () => {
      const pki = await lab.pki(`${browser}-${algorithm.name}`);
      const { target } = await lab.nbdkit(await lab.disk(`${browser}-${algorithm.name}.img`), pki);
      const bridge = await lab.bridge({ lab: target });
      const page = await openPage(bridge.page);
      const { secret, spki } = await page.evaluate(makeKey, algorithm);
      assert.equal(secret, "InvalidAccessError");
      const cert = await lab.certify(pki, `-----BEGIN PUBLIC KEY-----\n${spki.replace(/.{64}/g, "$&\n")}\n-----END PUBLIC KEY-----\n`);
      const request = { url: bridge.url("lab"), tls: { ca: pki.ca, serverName: pki.serverName, cert } };

      const right = /** @type {any} */ (await page.evaluate(readWith, request));
      assert.deepEqual(right.bytes, [...pattern(4096, 8)], right.message);
      assert.equal(right.version, "TLS 1.3");
      const wrong = /** @type {any} */ (await page.evaluate(readWith, { ...request, another: algorithm }));
      assert.equal(wrong.code, "INVALID_ARGUMENT", wrong.message);
      assert.match(wrong.message, /not the key of the certificate/);
      await page.close();
    });
  }
}, { webkit: true });
