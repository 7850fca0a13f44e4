import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { Worker } from "node:worker_threads";

const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 32));
const operations = Number(process.env.OPERATIONS ?? 100_000);
const stacks = [
  "region", "record", "cache", "cache of one line", "cache of large lines", "persistent cache",
  "cache over persistent cache over region", "overlay", "overlay over cache",
  "cache over overlay over region", "region over cache over overlay", "overlay over overlay",
  "overlay in files", "cache over overlay in files over cache",
  "cache over record over overlay over cache over region",
];

for (const [i, name] of stacks.entries()) {
  test(`random operations through ${name} (SEED=${seed})`, async (t) => {
    t.diagnostic(`run it again with SEED=${seed} OPERATIONS=${operations}`);
    const worker = new Worker(new URL("./random-run.js", import.meta.url), {
      workerData: { name, seed: seed + i, operations: Math.ceil(operations / stacks.length) },
    });
    const [counts] = await once(worker, "message"); // rejects with what the worker throws
    t.diagnostic(JSON.stringify(counts));
    for (const count of Object.values(counts)) assert.ok(count > 0, "nothing was tested");
  });
}
