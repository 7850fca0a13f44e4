// What pages that were killed in mid-write leave to the next one.
import assert from "node:assert/strict";
import { test } from "node:test";
import { NbdError } from "../../client/errors.js";
import { held, settled } from "./memory-disk.js";
import { Bench } from "./persistent-bench.js";

/** Time that passes as tests want it. @param {import("node:test").TestContext} t */
function clock(t) {
  let now = 1e12;
  t.mock.method(Date, "now", () => now);
  return { pass: (/** @type {number} */ milliseconds) => { now += milliseconds; } };
}

/** What the next page finds of a line is what the disk has. @param {Bench} bench @param {number} line */
async function nothingStale(bench, line) {
  const next = await bench.load({ revalidate: "never" });
  assert.deepEqual(await next.read(line * 512, 512), bench.disk.bytes.slice(line * 512, (line + 1) * 512));
  await next.close();
}

test("a write of a page that was killed may be done when the next one has read", async (t) => {
  const { pass } = clock(t);
  const bench = new Bench();
  const first = await bench.load();
  const firstDisk = bench.disk;
  const waiting = held(bench.disk, (op) => op.name === "write");
  first.write(5120, new Uint8Array(512).fill(7)).catch(() => {});
  while (waiting.length === 0) await settled();
  bench.caches.kill();
  for (const lateness of [0, 5000]) {
    const next = await bench.load({ revalidate: "never" });
    pass(lateness);
    await next.read(5120, 512);
    await bench.calm();
    bench.caches.kill(lateness === 0);
  }
  waiting[0].go();
  while (firstDisk.bytes[5120] !== 7) await settled();
  await nothingStale(bench, 10);
});

test("a while after such a page everything is kept again, and from then on at once", async (t) => {
  const { pass } = clock(t);
  const bench = new Bench();
  const first = await bench.load();
  const waiting = held(bench.disk, (op) => op.name === "write");
  first.write(5120, new Uint8Array(512).fill(7)).catch(() => {});
  while (waiting.length === 0) await settled();
  bench.caches.kill();
  const next = await bench.load({ revalidate: "never" });
  await next.read(0, 512);
  pass(10_000);
  await next.read(9728, 1024);
  await bench.calm();
  const kept = next.stats().held;
  bench.caches.kill();
  const third = await bench.load({ revalidate: "never" });
  assert.equal(third.stats().held, kept);
  bench.disk.asked();
  await third.read(10_240, 200);
  assert.equal(bench.read, 0, "what was read after a while");
  await third.read(1024, 512);
  await bench.calm();
  assert.equal(third.stats().held, kept + 512);
});

test("after changes that were done the next page keeps what it reads at once", async () => {
  for (const end of [async (/** @type {Bench} */ bench, /** @type {any} */ cache) => cache.close(), async (/** @type {Bench} */ bench) => {
    await new Promise((resolve) => setTimeout(resolve, 1100));
    await bench.calm();
    bench.caches.kill();
  }]) {
    const bench = new Bench();
    const first = await bench.load();
    await first.write(5120, new Uint8Array(512).fill(7));
    await end(bench, first);
    const next = await bench.load({ revalidate: "never" });
    const { held: before } = next.stats();
    await next.read(5120, 512);
    await bench.calm();
    assert.equal(next.stats().held, before + 512);
  }
});

test("a write that failed may be done yet", async (t) => {
  const { pass } = clock(t);
  const bench = new Bench();
  const cache = await bench.load();
  bench.disk.gate = async ({ name }) => { if (name === "write") throw new NbdError("UNKNOWN_OUTCOME", "who knows"); };
  await assert.rejects(cache.write(5120, new Uint8Array(512).fill(7)), { code: "UNKNOWN_OUTCOME" });
  await cache.read(5120, 512);
  await bench.calm();
  bench.disk.bytes.fill(7, 5120, 5632);
  await cache.close();
  await nothingStale(bench, 10);
  pass(10_000);
  await nothingStale(bench, 10);
});

test("what a page without the store has sent may be done when the next one has read", async (t) => {
  clock(t);
  const bench = new Bench();
  const first = await bench.load();
  const second = await bench.load();
  const secondDisk = bench.disk;
  const waiting = held(bench.disk, (op) => op.name === "write");
  second.write(5120, new Uint8Array(512).fill(7)).catch(() => {});
  while (waiting.length === 0) await settled();
  await first.close();
  const third = await bench.load({ revalidate: "never" });
  await third.read(5120, 512);
  await third.close(); // the second one is killed
  secondDisk.bytes.fill(7, 5120, 5632);
  await nothingStale(bench, 10);
});
