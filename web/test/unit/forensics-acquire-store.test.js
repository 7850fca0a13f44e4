// What the page keeps of an acquisition: the state is the last one that was
// made durable, or a later one, whatever ends the machine and when.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Kept } from "../../demo/forensics/acquire/store.js";
import { decodeEntry, encodeEntry, newest } from "../../demo/forensics/acquire/twin.js";
import { FakeDisk } from "./fake-folder.js";
import { Random } from "./random.js";

/** @param {number} offset */
const state = (offset, status = "running") => ({ offset, hashes: { sha256: "x".repeat(1500 + offset) }, log: { status } });

/** @param {FakeDisk} disk */
const opened = (disk) => Kept.open("id", async () => disk.folder());

test("an entry is whole, or none", () => {
  const entry = encodeEntry(7, { a: "ü" });
  assert.deepEqual(decodeEntry(entry), { sequence: 7, value: { a: "ü" } });
  const longer = new Uint8Array([...entry, 1, 2, 3]);
  assert.deepEqual(decodeEntry(longer)?.value, { a: "ü" }, "what an older one has left behind it");
  for (let i = 0; i < entry.length; i++) {
    assert.equal(decodeEntry(entry.subarray(0, i)), undefined, `${i} bytes`);
    const wrong = entry.slice();
    wrong[i] ^= 1;
    assert.equal(decodeEntry(wrong), undefined, `byte ${i} is another`);
  }
});

test("the newest of two counts", () => {
  const [a, b] = [{ sequence: 1, value: "a" }, { sequence: 2, value: "b" }];
  assert.deepEqual([newest([a, b]), newest([b, a]), newest([undefined, a]), newest([undefined, undefined])], [b, b, a, undefined]);
});

test("a new one has no state, and a kept one has its last", async () => {
  const disk = new FakeDisk(new Random(1));
  const kept = await opened(disk);
  assert.deepEqual([kept.about, kept.state], [undefined, undefined]);
  await kept.note({ version: 1, name: "a.img", status: "paused", done: 0 });
  for (const offset of [5, 1400, 3]) await kept.keep(state(offset));
  await kept.close();
  const again = await opened(disk);
  assert.deepEqual([again.about.done, again.about.status, again.about.name], [3, "paused", "a.img"]);
  assert.deepEqual(again.state, state(3));
  await again.keep(state(4, "complete"));
  assert.equal(again.about.status, "complete");
});

for (let seed = 1; seed <= 60; seed++) {
  test(`a machine that goes down, seed ${seed}`, async () => {
    const random = new Random(seed);
    const disk = new FakeDisk(random);
    let durable = -1;
    for (let life = 0, next = 0; life < 6; life++) {
      const kept = await opened(disk);
      const found = kept.state?.offset ?? -1;
      assert.ok(found >= durable && found < next + 1, `${found} was found after ${durable} was durable`);
      if (found >= 0) assert.deepEqual(kept.state, state(found));
      durable = found;
      let left = 1 + random.below(12);
      disk.before = async () => { if (--left === 0) disk.crash(); };
      const written = (async () => {
        for (;;) {
          await kept.keep(state(++next));
          durable = next;
        }
      })();
      await Promise.race([written, until(() => left <= 0)]);
    }
  });
}

test("where there is no room, the state before stays, and later ones are kept again", async () => {
  const disk = new FakeDisk(new Random(3));
  const kept = await opened(disk);
  await kept.keep(state(10));
  disk.limit = disk.bytes;
  await assert.rejects(kept.keep(state(20_000)), { code: "ENOSPC" });
  assert.equal(kept.state.offset, 10);
  disk.kill();
  assert.deepEqual((await opened(disk)).state, state(10));
  disk.limit = Infinity;
  const again = await opened(disk);
  await again.keep(state(12));
  assert.deepEqual((await opened(disk)).state, state(12));
});

/** @param {() => boolean} holds */
async function until(holds) {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}
