import assert from "node:assert/strict";
import { test } from "node:test";
import { byteCount, infoRequest, listRequest, openRequest } from "../../client/options.js";

const url = "wss://bridge.example/nbd/lab7";
const tls = { ca: "PEM", serverName: "nbd7.lab" };

/** @param {() => unknown} fn @param {RegExp} says */
function refused(fn, says) {
  assert.throws(fn, (/** @type {any} */ e) => e.code === "INVALID_ARGUMENT" && says.test(e.message) || assert.fail(`${e}`));
}

test("defaults are the safe ones", () => {
  const { request, signal, token, connections, wasm } = openRequest(new URL(url), { tls });
  assert.deepEqual(request, { url, export: "", readOnly: true, reconnect: { giveUpAfter: 120_000 }, tls: { mode: "require", ...tls } });
  assert.deepEqual([signal, token, connections], [undefined, undefined, 1]);
  assert.equal(wasm, undefined);
});

test("everything given is handed on", () => {
  const signal = new AbortController().signal;
  const all = { export: "vda", readOnly: false, token: "a.b-c_d", connections: 8, reconnect: { giveUpAfter: 5000 }, signal, wasm: new URL("https://cdn/x.wasm"), tls: { ...tls, cert: "C", key: "K", pins: ["sha256/x"], mode: /** @type {const} */ ("require") } };
  const parts = openRequest(url, all);
  assert.deepEqual(parts.request, { url, export: "vda", readOnly: false, token: "a.b-c_d", reconnect: { giveUpAfter: 5000 }, tls: all.tls });
  assert.equal(parts.connections, 8);
  assert.equal(parts.signal, signal);
  assert.equal(String(parts.wasm), "https://cdn/x.wasm");
  assert.deepEqual(structuredClone(parts.request), parts.request);
  assert.equal(openRequest(url, { tls, reconnect: false }).request.reconnect, undefined);
  assert.deepEqual(openRequest(url, { tls, reconnect: {} }).request.reconnect, { giveUpAfter: 120_000 });
  assert.deepEqual(openRequest(url, { tls: { mode: "off" } }).request.tls, { mode: "off" });
  assert.deepEqual(openRequest(url, { tls: { mode: "prefer", ...tls } }).request.tls, { mode: "prefer", ...tls });
});

test("options that can't be meant are refused by name", () => {
  /** @type {[any, RegExp][]} */
  const table = [
    [undefined, /whom to trust/],
    [{}, /whom to trust/],
    [7, /options must be an object/],
    [{ tls, readonly: false }, /readonly: did you mean readOnly/],
    [{ tls, foo: 1 }, /Unknown option foo: known are/],
    [{ tls, readOnly: "no" }, /readOnly must be a boolean/],
    [{ tls, export: 7 }, /export must be a string/],
    [{ tls, token: "a b" }, /token must be/],
    [{ tls, token: "" }, /token must be/],
    [{ tls, token: {} }, /token must be a string .* or a function/],
    [{ tls, connections: 0 }, /connections must be an integer from 1 to 8/],
    [{ tls, connections: 9 }, /connections must be/],
    [{ tls, connections: "2" }, /connections must be/],
    [{ tls, connections: 1.5 }, /connections must be/],
    [{ tls, reconnect: true }, /reconnect must be false, or an object/],
    [{ tls, reconnect: null }, /reconnect must be/],
    [{ tls, reconnect: { giveUpAfter: 0 } }, /reconnect.giveUpAfter must be a number of milliseconds/],
    [{ tls, reconnect: { giveUpAfter: 2 ** 31 } }, /reconnect.giveUpAfter must be/],
    [{ tls, reconnect: { giveupafter: 1 } }, /did you mean reconnect.giveUpAfter/],
    [{ tls, signal: {} }, /signal must be an AbortSignal/],
    [{ tls, wasm: 7 }, /wasm must be a string, a URL or a WebAssembly.Module/],
    [{ tls, wasm: "" }, /wasm/],
    [{ tls, worker: {} }, /worker must be a string, a URL or a function/],
    [{ tls, wasmUrl: "/x.wasm" }, /Unknown option wasmUrl/],
    [{ tls: "off" }, /tls must be an object/],
    [{ tls: { ca: "PEM" } }, /needs tls.serverName/],
    [{ tls: { serverName: "a" } }, /whom to trust/],
    [{ tls: { servername: "a" } }, /tls.servername: did you mean tls.serverName/],
    [{ tls: { ...tls, insecure: true } }, /insecure can't be combined with tls.ca/],
    [{ tls: { insecure: true, pins: ["x"] } }, /insecure can't be combined with tls.pins/],
    [{ tls: { insecure: false } }, /whom to trust/],
    [{ tls: { mode: "off", ...tls } }, /tls.ca has no effect/],
    [{ tls: { mode: "maybe", ...tls } }, /tls.mode must be .*"prefer" \(insecure/],
    [{ tls: { mode: "prefer" } }, /whom to trust/],
    [{ tls: { mode: "prefer", ca: "PEM" } }, /needs tls.serverName/],
    [{ tls: { ...tls, cert: "C" } }, /go together/],
    [{ tls: { ...tls, key: "K" } }, /go together/],
    [{ tls: { pins: [] } }, /tls.pins must be/],
    [{ tls: { pins: "x" } }, /tls.pins must be/],
    [{ tls: { ...tls, ca: "" } }, /tls.ca must be/],
  ];
  for (const [options, says] of table) refused(() => openRequest(url, options), says);
  refused(() => listRequest(url, /** @type {any} */ ({ tls, export: "vda" })), /Unknown option export/);
  refused(() => infoRequest(url, /** @type {any} */ ({ tls, readOnly: true })), /Unknown option readOnly/);
  refused(() => infoRequest(url, /** @type {any} */ ({ tls, connections: 2 })), /Unknown option connections/);
  assert.deepEqual(infoRequest(url, { tls }).request, { url, export: "", tls: { mode: "require", ...tls } });
});

test("a key may be a CryptoKey that can sign", async () => {
  const { privateKey, publicKey } = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, false, ["sign", "verify"]);
  const { request } = openRequest(url, { tls: { ...tls, cert: "C", key: privateKey } });
  assert.equal(request.tls.key, privateKey);
  assert.equal(/** @type {CryptoKey} */ (structuredClone(request).tls.key).extractable, false);
  const { privateKey: other } = await crypto.subtle.generateKey({ name: "ECDH", namedCurve: "P-256" }, false, ["deriveBits"]);
  for (const key of [publicKey, other, {}]) {
    refused(() => openRequest(url, { tls: { ...tls, cert: "C", key: /** @type {any} */ (key) } }), /tls\.key must be a PEM string, or a CryptoKey/);
  }
});

test("what may be secret in a URL is not repeated", () => {
  for (const bad of ["/nbd/lab?t=SECRET", "ws//b?a\nSECRET", "x#SECRET", "https://b.example/nbd/lab?t=SECRET", "ws://b.example/nbd/lab?SECRET#"]) {
    refused(() => openRequest(bad, { tls }), /^(?!.*SECRET)/s);
  }
});

test("a URL that is no bridge's is refused", () => {
  /** @type {[any, RegExp][]} */
  const table = [
    ["/nbd/lab", /not an absolute URL/],
    [undefined, /not an absolute URL/],
    ["https://b.example/nbd/lab", /not https:.*try wss:\/\/b.example\/nbd\/lab/],
    ["http://b.example/nbd/lab", /try ws:/],
    ["nbd://b.example/", /not nbd:/],
    ["wss://me:secret@b.example/", /option token/],
    ["wss://b.example/#x", /fragment/],
    ["wss://b.example/#", /fragment/],
  ];
  for (const [bad, says] of table) refused(() => openRequest(bad, { tls }), says);
});

test("byte counts are integers from 0 to 2^53-1", () => {
  assert.equal(byteCount("offset", 0), 0);
  assert.equal(byteCount("offset", 2 ** 53 - 1), 2 ** 53 - 1);
  assert.equal(byteCount("offset", 512n), 512);
  for (const bad of [-1, -1n, 0.5, 2 ** 53, 2n ** 53n, 2n ** 64n, NaN, Infinity, "1", null, undefined, {}]) {
    refused(() => byteCount("offset", bad), /offset/);
  }
});

test("a function gives a ticket, or tells why it does not", async () => {
  const from = (/** @type {any} */ token) => openRequest(url, { tls, token });
  assert.equal(from(() => "a").request.token, undefined);
  assert.equal(await from(async () => "a.b-c_d").token?.(), "a.b-c_d");
  for (const bad of [() => { throw new Error("no network"); }, async () => Promise.reject(new Error("no network"))]) {
    await assert.rejects(async () => from(bad).token?.(), { code: "UNAUTHORISED", stage: "connect", message: /token, a function, failed \(Error: no network\)/ });
  }
  for (const bad of [() => "", () => "a b", () => 7, () => undefined]) {
    await assert.rejects(async () => from(bad).token?.(), { code: "UNAUTHORISED", message: /gave none/ });
  }
});

test("a ticket that never comes is not waited for", async (t) => {
  const limit = new AbortController();
  const { mock } = t.mock.method(AbortSignal, "timeout", () => limit.signal);
  const asking = openRequest(url, { tls, token: () => new Promise(() => {}) }).token?.();
  limit.abort(new DOMException("too late", "TimeoutError"));
  await assert.rejects(async () => asking, { code: "UNAUTHORISED", stage: "connect", message: /TimeoutError: too late/ });
  assert.deepEqual(mock.calls.map((call) => call.arguments), [[20_000]]);
});
