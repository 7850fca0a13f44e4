// Signatures as openssl takes them, and keys as it gives them.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { importKey, makeKey, sign } from "../../demo/forensics/acquire/key.js";
import { derOf, hexOf, pemOf, privateKeyIn } from "../../demo/forensics/acquire/signature.js";

const folder = mkdtempSync(join(tmpdir(), "nbd-key-"));
after(() => rmSync(folder, { recursive: true }));

/** 32 bytes with these first. @param {number[]} first @param {number} rest */
const number = (first, rest = 0x11) => Uint8Array.from({ length: 32 }, (_, i) => first[i] ?? rest);
const hex = (/** @type {number[]} */ ...bytes) => hexOf(Uint8Array.from(bytes));
const ones = (/** @type {number} */ n) => "11".repeat(n);

for (const [what, r, s, der] of /** @type {const} */ ([
  ["plain", number([1]), number([2]), `3044 0220 01${ones(31)} 0220 02${ones(31)}`],
  ["high bits", number([0x80]), number([0xff]), `3046 0221 0080${ones(31)} 0221 00ff${ones(31)}`],
  ["a leading zero", number([0, 0x7f]), number([0, 0, 1]), `3041 021f 7f${ones(30)} 021e 01${ones(29)}`],
  ["a leading zero before a high bit", number([0, 0x80]), number([0x7f]), `3044 0220 0080${ones(30)} 0220 7f${ones(31)}`],
  ["hardly anything", number([], 0), Uint8Array.from({ length: 32 }, (_, i) => i === 31 ? 9 : 0), "3006 0201 00 0201 09"],
])) {
  test(`DER: ${what}`, () => {
    assert.equal(hexOf(derOf(Uint8Array.of(...r, ...s))), der.replaceAll(" ", ""));
  });
}

test("a signature of another length is refused", () => {
  assert.throws(() => derOf(new Uint8Array(63)), /63 bytes/);
});

test("PEM has lines of 64", () => {
  assert.equal(pemOf("PUBLIC KEY", new Uint8Array(60)), `-----BEGIN PUBLIC KEY-----\n${"A".repeat(64)}\n${"A".repeat(16)}\n-----END PUBLIC KEY-----\n`);
  const der = privateKeyIn(`text before\n${pemOf("PRIVATE KEY", Uint8Array.of(1, 2, 255))}`);
  assert.equal(hexOf(der), hex(1, 2, 255));
});

for (const [label, says] of [["EC PRIVATE KEY", /openssl pkcs8 -topk8 -nocrypt/], ["ENCRYPTED PRIVATE KEY", /without a password/], ["CERTIFICATE", /no private key/]]) {
  test(`${label} is refused, with what to do`, () => {
    assert.throws(() => privateKeyIn(pemOf(/** @type {string} */ (label), new Uint8Array(9))), { code: "INVALID_ARGUMENT", message: says });
  });
}

/** @param {import("../../demo/forensics/acquire/key.js").ExaminerKey} key @param {string} text */
async function verified(key, text) {
  const [message, publicKey, signature] = ["message", "key.pem", "sig"].map((name) => join(folder, name));
  writeFileSync(message, text);
  writeFileSync(publicKey, key.publicKey);
  writeFileSync(signature, await sign(key, new TextEncoder().encode(text)));
  return execFileSync("openssl", ["dgst", "-sha256", "-verify", publicKey, "-signature", signature, message], { encoding: "utf8" });
}

/** @param {string} curve */
function opensslKey(curve) {
  return execFileSync("openssl", ["genpkey", "-algorithm", "EC", "-pkeyopt", `ec_paramgen_curve:${curve}`], { encoding: "utf8" });
}

test("openssl takes what is signed with a key that was made, or imported", async () => {
  for (const key of [await makeKey(), await importKey(opensslKey("P-256"))]) {
    for (let i = 0; i < 40; i++) assert.match(await verified(key, `log ${i}`), /Verified OK/);
    assert.equal(key.privateKey.extractable, false);
    writeFileSync(join(folder, "key.pem"), key.publicKey);
    const der = execFileSync("openssl", ["pkey", "-pubin", "-in", join(folder, "key.pem"), "-outform", "der"]);
    assert.equal(hexOf(new Uint8Array(await crypto.subtle.digest("SHA-256", der))), key.fingerprint);
  }
});

test("a key of another curve is refused", async () => {
  await assert.rejects(importKey("-----BEGIN PRIVATE KEY-----\nA=BC=\n-----END PRIVATE KEY-----"), { code: "INVALID_ARGUMENT", message: /P-256/ });
  await assert.rejects(importKey(opensslKey("P-384")), { code: "INVALID_ARGUMENT", message: /P-256/ });
});
