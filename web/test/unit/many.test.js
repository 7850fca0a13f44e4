import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { open } from "../../client/index.js";
import { FakeWorker, bytes, facts, install, settled } from "./fake-worker.js";

const MiB = 1 << 20;

/** @type {() => FakeWorker} */
let worker;
beforeEach(() => { worker = install(); });

/** Opens a disk whose reads are answered by hand. */
async function opened(size = 100) {
  FakeWorker.answers.open = () => ({ ...facts, size });
  const disk = await open("wss://bridge.example/nbd/lab7", { tls: { mode: "off" } });
  return { disk, reads: () => worker().sent.filter((m) => m.method === "read") };
}

/** Answers a read with bytes that tell its offset. @param {{id: number, args: number[]}} read */
function answer({ id, args: [offset, length] }) {
  worker().reply(id, new Uint8Array(length).fill(offset));
}

test("readMany has its reads under way together and keeps their order", async () => {
  const { disk, reads } = await opened();
  const reading = disk.readMany([{ offset: 5n, length: 1 }, { offset: 1, length: 2n }, { offset: 9, length: 0 }]);
  await settled();
  assert.deepEqual(reads().map((m) => m.args), [[5, 1], [1, 2]], "nothing is not asked for");
  reads().reverse().forEach(answer);
  assert.deepEqual(await reading, [bytes(5), bytes(1, 1), bytes()]);
  assert.deepEqual(await disk.readMany([]), []);
});

test("readMany bounds what is under way, in bytes and in number", async () => {
  const { disk, reads } = await opened(64 * MiB);
  const long = disk.readMany(Array.from({ length: 4 }, (_, i) => ({ offset: i * 16 * MiB, length: i ? 3 * MiB : 16 * MiB })));
  await settled();
  assert.equal(reads().length, 1, "one that is larger than the bound goes alone");
  answer(reads()[0]);
  await settled();
  assert.equal(reads().length, 3);
  reads().slice(1).forEach(answer);
  await settled();
  answer(reads()[3]);
  assert.equal((await long).length, 4);

  const short = disk.readMany(Array.from({ length: 100 }, (_, i) => ({ offset: i, length: 1 })));
  await settled();
  assert.equal(reads().length, 4 + 32);
  for (let answered = 4; answered < 104; answered++) {
    answer(reads()[answered]);
    await settled();
  }
  assert.deepEqual((await short)[99], bytes(99));
});

test("readMany begins no more reads after a failure, and none is unhandled", async () => {
  const { disk, reads } = await opened();
  const reading = disk.readMany(Array.from({ length: 50 }, (_, i) => ({ offset: i, length: 1 })));
  await settled();
  for (const read of reads().slice(0, 3)) worker().fail(read.id, { code: "EIO", message: "bad sector", details: { offset: read.args[0] } });
  await assert.rejects(reading, { code: "EIO", offset: 0 });
  await settled();
  assert.equal(reads().length, 32);
});

test("a stream gives the range in order, in chunks, with progress", async () => {
  const { disk } = await opened();
  worker().answers.read = (offset, length) => Uint8Array.from({ length }, (_, i) => offset + i);
  /** @type {unknown[]} */ const progress = [];
  const got = [];
  for await (const chunk of disk.stream({ offset: 10n, length: 25, chunkSize: 10, onProgress: (p) => progress.push(p) })) got.push(chunk);
  assert.deepEqual(got.map((c) => [c[0], c.length]), [[10, 10], [20, 10], [30, 5]]);
  assert.deepEqual(progress, [{ done: 10, total: 25 }, { done: 20, total: 25 }, { done: 25, total: 25 }]);
  let all = 0;
  for await (const chunk of disk.stream()) all += chunk.length;
  assert.equal(all, 100);
  for await (const chunk of disk.stream({ offset: 100 })) assert.fail(`${chunk}`);
});

test("a stream fetches ahead, and not further than its reader is", async () => {
  const { disk, reads } = await opened(64 * MiB);
  const stream = disk.stream();
  assert.equal(reads().length, 0, "nothing before it is asked for");
  const first = stream.next();
  await settled();
  assert.equal(reads().length, 8);
  reads().forEach(answer);
  assert.equal((await first).value?.length, MiB);
  await settled();
  assert.equal(reads().length, 8, "a reader that stops holds it up");
  await stream.next();
  assert.equal(reads().length, 9);
  await stream.return();
  await settled();
  assert.equal(reads().length, 9);
  assert.equal((await stream.next()).done, true);
});

test("a stream holds two large chunks, and many small ones", async () => {
  const { disk, reads } = await opened(64 * MiB);
  disk.stream({ chunkSize: 16 * MiB }).next();
  await settled();
  assert.equal(reads().length, 2);
  disk.stream({ chunkSize: 512 }).next();
  await settled();
  assert.equal(reads().length, 2 + 32);
});

test("a stream ends with the first failure in its order", async () => {
  const { disk, reads } = await opened();
  const stream = disk.stream({ chunkSize: 10 });
  const first = stream.next();
  await settled();
  worker().fail(reads()[2].id, { code: "EIO", message: "bad sector" });
  worker().fail(reads()[1].id, { code: "ENOMEM", message: "no memory" });
  answer(reads()[0]);
  assert.equal((await first).value?.length, 10);
  await assert.rejects(stream.next(), { code: "ENOMEM" });
  assert.equal((await stream.next()).done, true);
});

test("an aborted stream ends at once, with the reason", async () => {
  const { disk, reads } = await opened();
  const controller = new AbortController();
  const stream = disk.stream({ chunkSize: 10, signal: controller.signal });
  const first = stream.next();
  await settled();
  reads().forEach(answer);
  await first;
  controller.abort("enough");
  await assert.rejects(stream.next(), (e) => e === "enough");
});
