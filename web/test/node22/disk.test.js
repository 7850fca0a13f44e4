// The client in Node 22: nbdkit with TLS through the bridge.
import assert from "node:assert/strict";
import { KeyObject } from "node:crypto";
import { readFile } from "node:fs/promises";
import { after, before, describe, test } from "node:test";
import { Worker as Thread } from "node:worker_threads";
import { NbdError, info, list, open } from "nbdbridge";
import { Lab, diskSize, pattern } from "../browser/lab.js";
import { missingPackages } from "../browser/needs.js";
import { run } from "../browser/processes.js";

const client = new URL("../../client/", import.meta.url);

describe("a disk in Node", { skip: missingPackages() }, () => {
  /** @type {Lab} */ let lab;
  /** @type {Awaited<ReturnType<Lab["bridge"]>>} */ let bridge;
  /** @type {Awaited<ReturnType<Lab["pki"]>>} */ let pki;
  /** @type {import("nbdbridge").TlsOptions} */ let tls;
  let file = "";

  before(async () => {
    lab = await Lab.create();
    pki = await lab.pki("pki");
    tls = { ca: pki.ca, serverName: pki.serverName, cert: pki.cert, key: pki.key };
    file = await lab.disk("disk.img");
    const server = await lab.nbdkit(file, pki);
    const slow = await lab.nbdkit(file, pki, "--filter=delay", "delay-read=300ms");
    bridge = await lab.bridge({ lab: server.target, slow: slow.target });
  });
  after(() => lab.close());

  test("is read, written, flushed and closed", async () => {
    const disk = await open(bridge.url("lab"), { tls, readOnly: false });
    assert.equal(disk.size, diskSize);
    assert.equal(disk.tls?.verifiedBy, "ca");
    assert.deepEqual(await disk.read(1048573, 3000011), new Uint8Array(pattern(1048573, 3000011)));
    const bytes = new Uint8Array(100_001).fill(0xa5);
    await disk.write(4097, bytes, { transfer: true });
    assert.equal(bytes.length, 0, "transferred");
    await disk.flush();
    assert.deepEqual(await disk.read(4097, 100_001), new Uint8Array(100_001).fill(0xa5));
    assert.ok((await readFile(file)).subarray(4097, 4097 + 100_001).every((b) => b === 0xa5));
    await disk.write(4097, pattern(4097, 100_001));
    await disk.close();
    assert.equal(await disk.closed, undefined);
    await assert.rejects(disk.read(0, 1), { code: "CLOSED" });
  });

  test("answers a thousand reads at once", async () => {
    const disk = await open(bridge.url("lab"), { tls });
    const offsets = Array.from({ length: 1000 }, (_, i) => (i * 7919 * 512) % (diskSize - 4096));
    const read = await Promise.all(offsets.map((offset) => disk.read(offset, 4096)));
    for (const [i, bytes] of read.entries()) assert.ok(pattern(offsets[i], 4096).equals(bytes), `read at ${offsets[i]}`);
    await disk.close();
  });

  test("is listed and told about", async () => {
    assert.deepEqual((await list(bridge.url("lab"), { tls })).map((e) => e.name), [""]);
    assert.equal((await info(bridge.url("lab"), { tls })).size, diskSize);
  });

  test("is opened with a key that can't be extracted", async () => {
    const { privateKey, publicKey } = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, false, ["sign", "verify"]);
    const pem = KeyObject.from(publicKey).export({ type: "spki", format: "pem" });
    const disk = await open(bridge.url("lab"), { tls: { ...tls, cert: await lab.certify(pki, String(pem)), key: privateKey } });
    assert.deepEqual(await disk.read(0, 16), new Uint8Array(pattern(0, 16)));
    await disk.close();
  });

  test("gives up a call and an open with the reason", async () => {
    const disk = await open(bridge.url("slow"), { tls });
    const signal = AbortSignal.timeout(50);
    await assert.rejects(disk.read(0, 512, { signal }), (e) => e === signal.reason);
    await disk.close();
    await assert.rejects(open(bridge.url("lab"), { tls, signal: AbortSignal.timeout(1) }), { name: "TimeoutError" });
  });

  test("tells errors as in a browser", async () => {
    const disk = await open(bridge.url("lab"), { tls });
    await assert.rejects(disk.write(0, new Uint8Array(1)), { code: "READ_ONLY" });
    await assert.rejects(disk.read(diskSize, 1), { code: "OUT_OF_RANGE" });
    await disk.close();
    await assert.rejects(open(bridge.url("nothing"), { tls }), { code: "UNKNOWN_TARGET" });
    await assert.rejects(open(bridge.url("lab"), { tls: { ...tls, serverName: "other.lab" } }), { code: "TLS_SERVER_NAME" });
    await assert.rejects(open("ws://127.0.0.1:1/nbd/lab", { tls }), { code: "BRIDGE_UNREACHABLE" });
  });

  test("ends with the bridge", async () => {
    const own = await lab.bridge({ lab: (await lab.nbdkit(file, undefined, "--filter=delay", "delay-read=30")).target });
    const disk = await open(own.url("lab"), { tls: { mode: "off" }, reconnect: false });
    await Promise.all([assert.rejects(disk.read(0, 512), NbdError), own.kill()]);
    assert.ok(await disk.closed instanceof NbdError);
    await disk.close();
  });

  test("tells after close() in an outage what was not flushed", async () => {
    const own = await lab.bridge({ lab: (await lab.nbdkit(await lab.disk("unflushed.img"))).target });
    for (const flushed of [true, false]) {
      const disk = await open(own.url("lab"), { tls: { mode: "off" }, readOnly: false });
      await disk.write(4096, new Uint8Array(512));
      if (flushed) await disk.flush();
      const lost = new Promise((resolve) => disk.on("reconnecting", resolve));
      await own.kill();
      await lost;
      await disk.close();
      const why = await disk.closed;
      assert.deepEqual([why?.code, why?.details.offset, why?.details.length], flushed ? [undefined, undefined, undefined] : ["UNFLUSHED", 4096, 512]);
      if (flushed) Object.assign(own, await own.again());
    }
  });

  test("needs its own files", async () => {
    /** @type {[import("nbdbridge").OpenOptions, string, RegExp][]} */
    const table = [
      [{ worker: new URL("missing.js", import.meta.url) }, "WASM_LOAD", /missing\.js/],
      [{ wasm: new URL("missing.wasm", import.meta.url) }, "WASM_LOAD", /missing\.wasm.*could not be fetched/],
      [{ wasm: new URL("disk.test.js", import.meta.url) }, "WASM_LOAD", /could not be compiled/],
      [{ wasm: new WebAssembly.Module(Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0)) }, "WASM_LOAD", /same version/],
      [{ wasm: "nbd.wasm" }, "INVALID_ARGUMENT", /must be absolute/],
      [{ worker: () => /** @type {any} */ ({}) }, "INVALID_ARGUMENT", /must return a new Worker/],
      [{ worker: () => /** @type {any} */ (new Thread("throw new Error('broken')", { eval: true })) }, "WASM_LOAD", /broken/],
      [{ worker: () => /** @type {any} */ (new Thread(new URL(`data:text/javascript,import "${client}worker.js"; Promise.reject("nobody waits")`))) }, "WORKER", /stopped: nobody waits/],
      [{ worker: () => /** @type {any} */ (new Thread("process.exit(3)", { eval: true })) }, "WASM_LOAD", /code 3/],
    ];
    for (const [options, code, says] of table) {
      await assert.rejects(open(bridge.url("lab"), { tls, ...options }), (/** @type {any} */ e) => e.code === code && says.test(e.message) || assert.fail(e));
    }
  });

  test("opens with a module and a thread of one's own", async () => {
    const wasm = await WebAssembly.compile(await readFile(new URL("nbd.wasm", client)));
    const worker = () => /** @type {any} */ (new Thread(new URL("worker.js", client)));
    const disk = await open(bridge.url("lab"), { tls, wasm, worker });
    assert.deepEqual(await disk.read(512, 8), new Uint8Array(pattern(512, 8)));
    await disk.close();
  });

  // A timer without a reference runs only where something else keeps the program alive.
  const later = (/** @type {string} */ code) => `setTimeout(() => { console.log("alive"); ${code} }, 200).unref();`;
  for (const [title, code, says] of [
    ["an open disk keeps the program alive, and does not after close", later("disk.close();"), "alive\n"],
    ["a closed disk does not keep the program alive", `await disk.close(); ${later("")}`, ""],
  ]) {
    test(title, async () => {
      const program = `import { open } from "nbdbridge";
        const disk = await open(${JSON.stringify(bridge.url("lab"))}, { tls: ${JSON.stringify(tls)} });
        ${code}`;
      const { stdout } = await run(process.execPath, ["--input-type=module", "--eval", program], { cwd: import.meta.dirname });
      assert.equal(stdout, says);
    });
  }
});
