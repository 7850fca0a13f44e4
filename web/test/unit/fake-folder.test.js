import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeDisk } from "./fake-folder.js";
import { Random } from "./random.js";

const size = 8192;
const filled = (/** @type {number} */ byte) => new Uint8Array(size).fill(byte);

test("a crash keeps what was flushed, and any sectors of the rest", async () => {
  let old = 0, fresh = 0, mixed = 0;
  for (let seed = 0; seed < 100; seed++) {
    const disk = new FakeDisk(new Random(seed));
    const file = await disk.folder().open("a");
    await file.write(0, filled(1));
    await file.flush();
    await file.write(0, filled(2));
    disk.crash();
    const left = await (await disk.folder().open("a")).read(0, size + 1);
    assert.equal(left.length, size);
    const news = left.filter((b) => b === 2).length;
    assert.equal(news + left.filter((b) => b === 1).length, size);
    assert.equal(news % 512, 0);
    if (news === 0) old++;
    else if (news === size) fresh++;
    else mixed++;
  }
  assert.ok(old > 10 && fresh > 10 && mixed > 10, `${old} ${fresh} ${mixed}`);
});

test("the end of a page keeps what was done, and nothing after it", async () => {
  const disk = new FakeDisk(new Random(1));
  const file = await disk.folder().open("a");
  await file.write(0, filled(1));
  file.write(0, filled(2));
  disk.kill();
  await new Promise((resolve) => setImmediate(resolve));
  const again = await disk.folder().open("a");
  assert.deepEqual(await again.read(0, size), filled(1));
  disk.crash();
  assert.ok((await (await disk.folder().open("a")).size()) <= size, "it was not flushed");
});

test("a full disk says so, and calls after close are refused", async () => {
  const disk = new FakeDisk(new Random(1));
  disk.limit = 10_000;
  const folder = disk.folder();
  const file = await folder.open("a");
  await file.write(0, filled(1));
  await assert.rejects(file.write(size, filled(2)), { code: "ENOSPC" });
  assert.equal(await file.size(), size);
  await folder.close();
  await assert.rejects(file.size(), { code: "CLOSED" });
});
