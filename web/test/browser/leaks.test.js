// What a disk takes it gives back: Workers, connections, listeners, locks; and
// one that stays open does not grow.
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { inEachBrowser, until } from "./browsers.js";
import { serveClient } from "./clientserver.js";
import { Hole } from "./hole.js";
import { Lab } from "./lab.js";
import { bridgeBinary, freePort } from "./processes.js";

const MiB = 1 << 20;

// A module beside the client's Worker, which tells what Go holds on to: values of
// JavaScript, callbacks among them, and memory.
const counting = `
  let own, go;
  Object.defineProperty(globalThis, "Go", { configurable: true, get: () => own, set(Go) {
    own = class extends Go { constructor() { super(); go = this; } };
  } });
  new BroadcastChannel("count").onmessage = ({ data, target }) => {
    if (data === "ask") target.postMessage({ held: go._values.length - go._idPool.length, memory: go._inst.exports.mem.buffer.byteLength });
  };
`;

/** Runs in the page: watches what the page takes and gives back. */
async function watch() {
  const state = /** @type {any} */ (globalThis);
  state.workers = new Set();
  state.strays = [];
  state.listeners = 0;
  const Own = Worker;
  state.Worker = class extends Own {
    constructor(/** @type {any} */ url, /** @type {any} */ options) {
      super(url, options);
      state.workers.add(this);
    }
    terminate() {
      state.workers.delete(this);
      super.terminate();
    }
  };
  addEventListener("unhandledrejection", ({ reason }) => state.strays.push(String(reason)));
  for (const target of [window, document]) {
    const { addEventListener: add, removeEventListener: remove } = target;
    target.addEventListener = (/** @type {any[]} */ ...args) => { state.listeners++; return /** @type {any} */ (add).apply(target, args); };
    target.removeEventListener = (/** @type {any[]} */ ...args) => { state.listeners--; return /** @type {any} */ (remove).apply(target, args); };
  }
}

/** Runs in the page: opens disks, good and bad, a few at a time. */
async function openMany(/** @type {any} */ { url, nowhere, options, stranger, rounds }) {
  const { open } = await import(/** @type {any} */ ("/client/index.js"));
  const state = /** @type {any} */ (globalThis);
  /** @type {Record<string, number>} */ const outcomes = {};
  const codeOf = (/** @type {any} */ error) => error?.code ?? error?.name ?? String(error);
  const note = (/** @type {string} */ kind, /** @type {string} */ outcome) => { outcomes[`${kind}: ${outcome}`] = (outcomes[`${kind}: ${outcome}`] ?? 0) + 1; };
  const good = async () => {
    const disk = await open(url, { ...options, readOnly: false });
    await Promise.all([disk.write(5, new Uint8Array(5000)), disk.read(0, 70_000), disk.read(1, 1)]);
    await disk.close();
    return codeOf(await disk.closed);
  };
  const untrusted = () => open(url, { ...options, tls: { ...options.tls, ca: stranger } });
  const unknown = () => open(nowhere, options);
  const aborted = () => open(url, { ...options, signal: AbortSignal.timeout(Math.random() * 800) }).then((/** @type {any} */ disk) => disk.close());
  const closedBusy = async () => {
    const disk = await open(url, options);
    const reading = disk.read(0, disk.size).then(() => "read", codeOf);
    await disk.close();
    return reading;
  };
  const kinds = { untrusted, unknown, aborted, closedBusy };
  let next = 0;
  const lane = async () => {
    for (let i = next++; i < rounds; i = next++) {
      note("good", await good().catch(codeOf));
      const [kind, run] = Object.entries(kinds)[i % 4];
      note(kind, await run().then((/** @type {any} */ value) => value ?? "fine", codeOf));
    }
  };
  await Promise.all([lane(), lane(), lane()]);
  return { outcomes, workers: state.workers.size, strays: state.strays, listeners: state.listeners };
}

/** Runs in the page: disks whose connections are cut. */
async function loseMany(/** @type {any} */ { url, options, count }) {
  const { open } = await import(/** @type {any} */ ("/client/index.js"));
  const state = /** @type {any} */ (globalThis);
  const disks = await Promise.all(Array.from({ length: count }, () => open(url, { ...options, reconnect: false })));
  const reads = disks.map(async (disk) => { for (;;) await disk.read(0, 1 << 20); });
  const codes = Promise.allSettled(reads).then((all) => all.map((/** @type {any} */ { reason }) => reason.code));
  state.reading = true;
  const closed = await Promise.all(disks.map((disk) => disk.closed.then((/** @type {any} */ error) => error?.code)));
  return { codes: await codes, closed };
}

/** Runs in the page: what one long-lived disk holds, after work and after outages. */
async function useLong(/** @type {any} */ { url, options, reads, writes }) {
  const { open } = await import(/** @type {any} */ ("/client/index.js"));
  const state = /** @type {any} */ (globalThis);
  const disk = await open(url, { ...options, readOnly: false });
  const channel = new BroadcastChannel("count");
  const ask = () => new Promise((resolve) => {
    channel.onmessage = ({ data }) => resolve(data);
    channel.postMessage("ask");
  });
  /** The least of some: values that nobody holds are there until Go collects them. */
  const count = async () => {
    let held = Infinity, memory = 0;
    for (let i = 0; i < 20; i++) {
      await Promise.all([disk.read(0, 1 << 20), disk.read(1 << 20, 1 << 20)]);
      const told = /** @type {any} */ (await ask());
      [held, memory] = [Math.min(held, told.held), told.memory];
    }
    return { held, memory };
  };
  const work = async (/** @type {number} */ part) => {
    let read = 0, written = 0;
    const aborter = new AbortController();
    const lane = async (/** @type {number} */ i) => {
      while (read < reads * part || written < writes * part) {
        if (read++ < reads * part) await disk.read((i + read) % 8 * (1 << 20), 1 << 20, { signal: aborter.signal });
        if (written++ < writes * part) await disk.write(i << 20, new Uint8Array(256 << 10), { signal: aborter.signal });
      }
    };
    await Promise.all([0, 1, 2, 3].map(lane));
  };
  await work(0.25);
  const first = await count();
  await work(0.75);
  const worked = await count();
  state.cuts = 0;
  disk.on("reconnected", () => { state.cuts++; });
  state.steady = true;
  while (!state.enough) await disk.read(0, 4096);
  const outlived = await count();
  await disk.close();
  channel.close();
  return { first, worked, outlived };
}

inEachBrowser("leaks", ({ page: openPage, name: browser }) => {
  /** @type {Lab} */ let lab;
  /** @type {Awaited<ReturnType<typeof serveClient>>} */ let site;
  /** @type {Hole} */ let hole;
  /** @type {(name: string) => Promise<void>} */ let connect;
  let disks = 0;
  let at = "";
  /** @type {Record<string, any>} */ let options;
  /** @type {string} */ let stranger;
  before(async () => {
    lab = await Lab.create();
    const pki = await lab.pki("pki");
    stranger = (await lab.pki("stranger")).ca;
    options = { tls: { ca: pki.ca, serverName: pki.serverName, cert: pki.cert, key: pki.key } };
    site = await serveClient({ "/": "<!doctype html><title>leaks</title>", "/counting.js": counting, "/worker.js": `import "/counting.js"; import "/client/worker.js";` });
    connect = async (name) => {
      const { target } = await lab.nbdkit(await lab.disk(name), pki);
      const port = await freePort();
      hole = new Hole(port);
      at = `127.0.0.1:${await hole.listen()}`;
      await lab.processes.start({ port, host: "127.0.0.1" }, bridgeBinary, "serve", "--listen", `127.0.0.1:${port}`,
        "--public-url", `http://${at}`, "--origin", site.origin, "--target", `lab=${target}`);
    };
  });
  // Each test has servers of its own: nbdkit 1.32 may end when several of its
  // TLS connections are reset at once.
  beforeEach(() => connect(`disk-${++disks}.img`));
  afterEach(() => hole.close());
  after(async () => {
    await site?.close();
    await lab.close();
  });

  test("disks that were closed, lost, aborted or never opened leave nothing", async (t) => {
    const page = await openPage(`${site.origin}/`);
    await page.evaluate(watch);
    const url = `ws://${at}/nbd/lab`;
    const result = /** @type {any} */ (await page.evaluate(openMany, { url, nowhere: `ws://${at}/nbd/nowhere`, options, stranger, rounds: 30 }));
    t.diagnostic(JSON.stringify(result.outcomes));
    assert.equal(result.outcomes["good: undefined"], 30);
    assert.equal(result.outcomes["untrusted: TLS_UNTRUSTED"], 8);
    assert.equal(result.outcomes["unknown: UNKNOWN_TARGET"], 8);
    assert.deepEqual([result.workers, result.strays, result.listeners], [0, [], 0]);

    const losing = /** @type {Promise<any>} */ (page.evaluate(loseMany, { url, options, count: 5 }));
    await Promise.race([until(page, () => /** @type {any} */ (globalThis).reading), losing]);
    hole.reset();
    const { codes, closed } = await losing;
    assert.deepEqual([...codes, ...closed], Array(10).fill("DISCONNECTED"));

    await until(page, async () => {
      const { workers, listeners } = /** @type {any} */ (globalThis);
      const { held = [], pending = [] } = await navigator.locks.query();
      return workers.size === 0 && listeners === 0 && held.length + pending.length === 0;
    });
    assert.deepEqual(await page.evaluate(() => /** @type {any} */ (globalThis).strays), []);
    if (browser === "chromium") assert.equal(page.workers().length, 0, "Workers that the browser knows");
    await hole.untilEmpty();
    await page.close();
  });

  test("a disk that stays open holds no more after much work and many outages", async (t) => {
    const page = await openPage(`${site.origin}/`);
    await page.evaluate(() => {
      const Own = Worker;
      /** @type {any} */ (globalThis).Worker = class extends Own {
        constructor() { super("/worker.js", { type: "module" }); }
      };
    });
    const [reads, writes] = browser === "chromium" ? [600, 150] : [160, 40];
    const using = /** @type {Promise<any>} */ (page.evaluate(useLong, { url: `ws://${at}/nbd/lab`, options, reads, writes }));
    using.catch(() => {}); // told below
    const patiently = (/** @type {number} */ n) => Promise.race([using, untilLate(page, n)]);
    await patiently(-1);
    for (let i = 0; i < 20; i++) {
      hole.reset();
      await patiently(i);
    }
    await page.evaluate(() => { /** @type {any} */ (globalThis).enough = true; });
    const { first, worked, outlived } = await using;
    t.diagnostic(JSON.stringify({ first, worked, outlived }));
    await page.close();
    assert.ok(worked.held < first.held + 100, `after ${reads} reads and ${writes} writes Go holds ${worked.held} values, before ${first.held}`);
    assert.ok(outlived.held < worked.held + 100, `after 20 outages Go holds ${outlived.held} values, before ${worked.held}`);
    assert.ok(worked.memory <= first.memory + 4 * MiB, `memory grew from ${first.memory} to ${worked.memory} bytes`);
    assert.ok(outlived.memory <= worked.memory + 8 * MiB, `memory grew from ${worked.memory} to ${outlived.memory} bytes in outages`);
  });
});

/**
 * Waits for more cuts than n, or for the work before the first, as long as it takes.
 * @param {import("puppeteer-core").Page} page @param {number} n
 */
async function untilLate(page, n) {
  while (!(await page.evaluate((n) => /** @type {any} */ (globalThis).steady && /** @type {any} */ (globalThis).cuts > n, n))) {
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}
