// What the page tells the log of itself, of the disk and of the connection.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { changes, connectionFacts, imageName, mismatch, outagesSince, sourceFacts, sourceLater, toolLater } from "../../demo/forensics/acquire/facts.js";
import { asLines, namedIn, pageFacts } from "../../demo/forensics/acquire/pagefacts.js";
import { ownOf } from "../../demo/forensics/session.js";

const features = { flush: true, fua: false, trim: false, zero: false, cache: true, multipleConnections: true, writable: false };
const facts = { bridge: "wss://bridge.example/nbd/", target: "lab 7", exportName: "vda", description: "", size: 100, blockSize: { minimum: 512, preferred: 4096, maximumPayload: 1 << 25 }, features, tls: null, identity: "x" };

test("the source", () => {
  assert.deepEqual(sourceFacts(facts, { offset: 10, length: 20 }), {
    bridge: "wss://bridge.example/nbd/", target: "lab 7", server: "", export: "vda", size: 100, offset: 10, length: 20,
    readOnly: true, flags: ["flush", "cache", "multipleConnections"], minimumBlockSize: 512,
  });
  assert.equal(sourceFacts({ ...facts, features: { ...features, writable: true } }, { offset: 0, length: 1 }).readOnly, false);
});

for (const [url, bridge, target] of [
  ["wss://bridge.example/nbd/lab%207", "wss://bridge.example/nbd/", "lab 7"],
  ["ws://127.0.0.1:8080/a%2Fb", "ws://127.0.0.1:8080/", "a/b"],
  ["wss://h/x/y/%E7%A3%81", "wss://h/x/y/", "磁"],
]) {
  test(`the URL ${url} is of a bridge and a target`, () => {
    const own = ownOf(/** @type {any} */ ({ on() {}, ...facts }), { url });
    assert.deepEqual([own.facts().bridge, own.facts().target], [bridge, target]);
  });
}

test("the connection", () => {
  const peer = { subject: "CN=nbd", issuer: "CN=ca", notBefore: "2026-01-01T00:00:00Z", notAfter: "2027-01-01T00:00:00Z", dnsNames: ["nbd"], pin: "sha256/abc", fingerprint: "AB:0C:FF" };
  assert.deepEqual(connectionFacts(null), { encrypted: false });
  assert.deepEqual(connectionFacts({ version: "TLS 1.3", cipherSuite: "X", serverName: "nbd", verifiedBy: "ca", insecure: false, peer }), {
    encrypted: true, protocol: "TLS 1.3", cipherSuite: "X", serverName: "nbd", verifiedBy: "ca", subject: "CN=nbd", issuer: "CN=ca",
    notBefore: "2026-01-01T00:00:00Z", notAfter: "2027-01-01T00:00:00Z", pin: "sha256/abc", certificate: "ab0cff",
  });
});

test("an outage of before the session is none of it", () => {
  const [before, into, open] = [{ start: "1", end: "3", reason: "" }, { start: "2", end: "6", reason: "" }, { start: "7", reason: "" }];
  assert.deepEqual(outagesSince([before, into, open], "5"), [into, open]);
});

test("another export, or size, is another disk", () => {
  const source = { export: "vda", size: 100 };
  assert.equal(mismatch(source, facts), "");
  assert.match(mismatch(source, { ...facts, exportName: "vdb" }), /"vda".*"vdb"/);
  assert.match(mismatch(source, { ...facts, size: 101 }), /100.*101/);
});

test("what need not be another disk is told, and goes into the log", () => {
  const source = /** @type {any} */ ({ bridge: "ws://a/", target: "x", readOnly: true });
  const connection = { encrypted: true, certificate: "0a" };
  const tls = /** @type {any} */ ({ peer: { fingerprint: "0A" } });
  const is = { bridge: "ws://a/", target: "x", tls, features: /** @type {any} */ ({ writable: false }) };
  const told = (/** @type {any} */ news, of = source) => changes(/** @type {any} */ ({ source: of, sessions: [{ connection }] }), { ...is, ...news });
  assert.deepEqual(told({}), []);
  assert.match(told({ target: "y" }).join(), /ws:\/\/a\/x.*ws:\/\/a\/y/);
  assert.match(told({ tls: null }).join(), /not encrypted/);
  assert.match(told({ tls: { peer: { fingerprint: "0B" } } }).join(), /another certificate/);
  assert.match(told({ features: { writable: true } }).join(), /accept writes now/);
  const moved = sourceLater(source, { ...is, target: "y", features: /** @type {any} */ ({ writable: true }) });
  assert.deepEqual(moved, { bridge: "ws://a/", target: "x, later y", readOnly: false });
  assert.deepEqual(sourceLater(moved, { ...is, target: "y" }), moved);
  assert.deepEqual(told({ target: "y" }, moved), []);
  assert.equal(sourceLater(moved, is).target, "x, later y, later x");
  assert.deepEqual(told({}, sourceLater(moved, is)), []);
});

test("another browser, or other files of the page, go into the log; what was only not loaded before does not", () => {
  const file = (/** @type {string} */ path, /** @type {string} */ sha256) => ({ path, sha256 });
  const page = (/** @type {string} */ sha256, /** @type {any[]} */ ...files) => /** @type {any} */ ({ sha256, files });
  const tool = { name: "page", version: "1", platform: "Firefox" };
  const begun = { tool, page: page("11", file("/a.js", "aa")) };
  assert.deepEqual(toolLater(begun, tool, begun.page), tool);
  assert.deepEqual(toolLater(begun, tool, page("22", file("/a.js", "aa"), file("/b.js", "bb"))), tool);
  const other = page("33", file("/a.js", "cc"));
  const changed = toolLater(begun, { ...tool, platform: "Chromium" }, other);
  assert.deepEqual(changed, { ...tool, platform: "Firefox, later Chromium", revision: "page 11, later page 33" });
  assert.deepEqual(toolLater({ ...begun, tool: changed }, { ...tool, platform: "Chromium" }, other), changed);
  assert.equal(toolLater(begun, tool, undefined).revision, "page 11, later a page that is not known");
});

test("names of images", () => {
  const date = new Date("2026-11-27T06:05:04Z");
  assert.equal(imageName("vda", "raw", date), "vda-20261127-0605.img");
  assert.equal(imageName("磁盘 vda Partition 1 “root”", "zstd", date), "磁盘-vda-Partition-1-root-20261127-0605.img.zst");
  assert.equal(imageName("../../.x/\u202e", "raw", date), "x-20261127-0605.img");
  assert.equal(imageName("///", "raw", date), "disk-20261127-0605.img");
});

test("what a module names", () => {
  assert.deepEqual(namedIn(`
    import { a } from "./a.js";
    import "../b.js";
    /** @typedef {import("./types.js").T} T */
    // import "./old.js";
    export * from "./c/d.js";
    const later = () => import("./e.js");
    new Worker(new URL("./worker.js", import.meta.url));
    const root = new URL("../", import.meta.url);
    import { fs } from "node:fs";
  `), ["./a.js", "../b.js", "./c/d.js", "./e.js", "./worker.js"]);
});

/** @param {Record<string, string>} files @param {string[]} loaded */
function around(files, loaded) {
  /** @type {string[]} */ const asked = [];
  return { asked, url: "https://lab.example/demo/?ticket=secret#x", loaded, fetch: async (/** @type {string} */ url) => {
    asked.push(url);
    const text = files[new URL(url).pathname];
    return text === undefined ? new Response("", { status: 404 }) : new Response(text);
  } };
}

test("the page is its own files, each once, and what they name", async () => {
  const files = { "/demo/": "<html>", "/demo/main.js": 'import "../client/worker.js";', "/client/worker.js": 'new URL("./x.wasm", import.meta.url); import "./main.js"; from "./none.js"', "/client/x.wasm": "\0asm" };
  const world = around(files, ["https://lab.example/demo/main.js?v=1", "https://lab.example/demo/main.js", "https://elsewhere.example/spy.js", "https://lab.example/demo/local.json"]);
  const page = await pageFacts(world);
  assert.deepEqual(page.files.map(({ path }) => path), ["/client/worker.js", "/client/x.wasm", "/demo/", "/demo/main.js"]);
  assert.deepEqual([page.origin, page.url], ["https://lab.example", "https://lab.example/demo/"]);
  const sum = (/** @type {string} */ text) => execFileSync("sha256sum", { input: text, encoding: "utf8" }).slice(0, 64);
  assert.equal(asLines(page.files), Object.keys(files).sort().map((path) => `${sum(files[/** @type {keyof typeof files} */ (path)])}  ${path}\n`).join(""));
  assert.equal(page.sha256, sum(asLines(page.files)));
  assert.ok(world.asked.every((url) => url.startsWith("https://lab.example/")), `${world.asked}`);
});

test("a file that was loaded and is gone is told", async () => {
  await assert.rejects(pageFacts(around({ "/demo/": "" }, ["https://lab.example/demo/main.js"])), { code: "EIO", message: /\/demo\/main\.js/ });
});

test("a page that names without end has a bound", async () => {
  let n = 0;
  const endless = { ...around({}, []), fetch: async () => new Response(`import "./${++n}.js"; import "./${++n}.js"`) };
  const page = await pageFacts({ ...endless, loaded: ["https://lab.example/a.js"] });
  assert.equal(page.files.length, 1000);
});
