import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { text as textOfStream } from "node:stream/consumers";
import { test } from "node:test";
import { format } from "node:util";
import { Worker as Thread } from "node:worker_threads";
import { handleOf } from "../../client/handle.js";
import { NbdError, codes } from "../../client/index.js";
import { lay, makeParquet, makeTiff, makeZip } from "../formats.js";
import { fakeAcquirer } from "./fake-acquirer.js";
import { FakeDisk } from "./fake-folder.js";
import { fakeHasher } from "./fake-hasher.js";
import { fakeInspector } from "./fake-inspector.js";
import { FakeSite } from "./fake-service-worker.js";
import { FakeWorker, facts, install } from "./fake-worker.js";
import { MemoryDisk } from "./memory-disk.js";
import { Random } from "./random.js";

/** @param {string} page */
const textOf = (page) => readFileSync(new URL(`../../../docs/${page}`, import.meta.url), "utf8");
const text = textOf("javascript.md");

/** A bridge with one export, of zeros. */
function serve() {
  const disk = { ...facts, size: 8 << 20, readOnly: true };
  let end = () => {};
  const ended = new Promise((resolve) => { end = () => resolve(undefined); });
  return {
    start: () => undefined, open: () => disk, info: () => disk, list: () => [{ name: "vda", description: "" }],
    read: (/** @type {number} */ _, /** @type {number} */ length) => new Uint8Array(length), flush: () => undefined, check: () => true,
    wait: () => ended, close: () => end(),
  };
}

/** What lies on the device of the examples, and where. */
const { disk: content, places } = lay(8 << 20, { tiff: makeTiff(), parquet: makeParquet(), zip: await makeZip() });

/** V86 proper needs a BIOS: test/node22 runs it. @param {string} name */
const locate = (name) => name === "v86" ? new URL("fake-emulator.js", import.meta.url).href : import.meta.resolve(name);

/** Runs it as a module, with the package by its own name. @param {string} code */
async function run(code) {
  const source = code.replace(/from "([^"]+)"/g, (_, name) => `from ${JSON.stringify(locate(name))}`);
  if (code.startsWith("// In a Worker")) return runInThread(source);
  return /"nbdbridge\/(range|save)"/.test(code) ? runInPage(source) : runHere(source);
}

/** With a page's globals too, and a Service Worker. @param {string} source */
async function runInPage(source) {
  const site = new FakeSite();
  const { fetch } = globalThis;
  Object.assign(globalThis, { fetch: (/** @type {string} */ url, /** @type {any} */ init) => site.fetch(url, init) });
  try {
    return await runHere(source);
  } finally {
    site.remove();
    globalThis.fetch = fetch;
  }
}

/** With the handle of a device. @param {string} source */
async function runInThread(source) {
  const handle = /** @type {any} */ (handleOf(new MemoryDisk(8 << 20).device));
  const before = `import { workerData as handle } from "node:worker_threads"; ${source}`;
  const thread = new Thread(new URL(`data:text/javascript,${encodeURIComponent(before)}`), { stdout: true, workerData: handle, transferList: [handle] });
  const failed = once(thread, "error").then(([error]) => { throw error; });
  const printed = await Promise.race([textOfStream(thread.stdout), failed]);
  await thread.terminate();
  return printed.trimEnd().split("\n");
}

/** The Worker that an example starts. @param {string} source */
function fakeOf(source) {
  if (source.includes("/evidence/")) return fakeAcquirer();
  return source.includes("/inspect/") ? fakeInspector() : { ...serve(), ...fakeHasher() };
}

/** With a device, and a bridge for open. @param {string} source */
async function runHere(source) {
  /** @type {string[]} */ const printed = [];
  const print = console.log;
  console.log = (...args) => printed.push(format(...args));
  install();
  FakeWorker.serve = () => fakeOf(source);
  const disk = new MemoryDisk(content.length);
  disk.bytes.set(content);
  const file = await new FakeDisk(new Random(1)).folder().open("image");
  Object.assign(globalThis, { device: disk.device, file, places, caPem: "PEM" });
  try {
    await import(`data:text/javascript,${encodeURIComponent(source)}`);
  } finally {
    console.log = print;
    for (const name of ["device", "file", "places", "caPem", "Worker"]) Reflect.deleteProperty(globalThis, name);
  }
  return printed;
}

for (const page of ["javascript.md", "adapters.md", "inspect.md", "evidence.md"]) {
  test(`the examples of docs/${page} run, and print what they say`, async () => {
    const examples = [...textOf(page).matchAll(/^```js\n(.*?)^```$/gms)].map(([, code]) => code);
    assert.ok(examples.length >= 1);
    for (const code of examples) {
      const promised = [...code.matchAll(/console\.log\(.*\); \/\/ (.*)/g)].map(([, said]) => said);
      assert.deepEqual(await run(code), promised, code);
    }
  });
}

test("the table of codes in docs/javascript.md is complete, and in order", () => {
  const rows = [...text.matchAll(/^\| `([A-Z_\d]+)` \| (.+) \| (?:(yes) )?\|$/gm)].map(([, code, , yes]) => ({ code, retryable: !!yes }));
  assert.deepEqual(rows, codes.map((code) => ({ code, retryable: new NbdError(code, "").retryable })));
});

test("docs/javascript.md has every option and every event", async () => {
  const { openRequest } = await import("../../client/options.js");
  const known = (/** @type {any} */ options) => {
    try {
      openRequest("wss://b.example/nbd/x", options);
    } catch (error) {
      return String(error).match(/known are (.*)\./)?.[1].split(", ") ?? [];
    }
    return [];
  };
  const names = [...known({ zz: 1 }), ...known({ tls: { zz: 1 } })];
  assert.ok(names.length > 10);
  for (const name of names) assert.ok(new RegExp(`^\\| .*\`${name}\`.*\\|`, "m").test(text), name);
  for (const name of ["stalled", "resumed", "reconnecting", "reconnected", "closed", "stats"]) assert.match(text, new RegExp(`^\\| \`${name}\` \\| .*\\|$`, "m"));
});
