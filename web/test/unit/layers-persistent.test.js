import assert from "node:assert/strict";
import { test } from "node:test";
import { Device } from "../../client/device.js";
import { NbdError } from "../../client/errors.js";
import { region, withCache, withPersistentCache } from "../../client/layers/index.js";
import { MemoryDisk, held, settled } from "./memory-disk.js";
import { Bench, size } from "./persistent-bench.js";

test("what one page read, the next one does not, but for the sample", async () => {
  const bench = new Bench();
  const first = await bench.load();
  assert.equal(first.persistent, true);
  assert.deepEqual(await first.read(0, size), bench.disk.bytes);
  assert.equal(bench.read, size, "the first and the last line are not read twice");
  await first.close();
  assert.equal(bench.caches.owned, false);

  const next = await bench.load();
  assert.equal(bench.disk.log.length, 16, "one readMany of some lines");
  bench.disk.asked();
  assert.deepEqual(await next.read(0, size), bench.disk.bytes);
  assert.deepEqual(await next.read(777, 3), bench.disk.bytes.slice(777, 780));
  assert.equal(bench.read, 0);
  const { hits, misses, held: bytes } = next.stats();
  assert.deepEqual([hits >= 40, misses, bytes], [true, 0, 40 * 512]);
  await next.close();
});

test("a page that was killed leaves what it had read", async () => {
  const bench = new Bench();
  const first = await bench.load();
  await first.read(1000, 5000);
  await bench.calm();
  bench.caches.kill();
  const next = await bench.load({ revalidate: "never" });
  bench.disk.asked();
  assert.deepEqual(await next.read(1000, 5000), bench.disk.bytes.slice(1000, 6000));
  assert.equal(bench.read, 0);
});

test("a cache in memory lies over it, and nothing is fetched twice", async () => {
  const bench = new Bench();
  const cache = withCache(await bench.load(), { size: 1 << 20, lineSize: 2048 });
  const readings = Array.from({ length: 20 }, (_, i) => cache.read(i * 1000, 1000));
  assert.deepEqual(Buffer.concat(await Promise.all(readings)), Buffer.from(bench.disk.bytes));
  assert.equal(bench.read, size);
  await cache.close();
  assert.equal(bench.caches.owned, false);
});

test("a device without an identity needs a key", async () => {
  const { device } = new MemoryDisk(1000);
  await assert.rejects(withPersistentCache(device), { code: "INVALID_ARGUMENT", message: /option key/ });
});

test("the identity is the key, and a part has a folder of its own", async () => {
  const { caches } = new Bench();
  const identified = () => new Device({ size: 4096, blockSize: { minimum: 1, preferred: 4096, maximumPayload: 1 << 20 }, identity: "wss://bridge/../x", read: async (_, length) => new Uint8Array(length) });
  for (const device of [identified(), region(identified(), { offset: 0, length: 512 }), region(identified(), { offset: 512, length: 512 })]) {
    await (await caches.cached(device, { key: undefined })).close();
  }
  assert.equal(caches.names.size, 3);
  for (const name of caches.names) assert.match(name, /^[0-9a-f]{64}$/);
});

test("options that can't be meant are refused", async () => {
  const { device } = new MemoryDisk(1000);
  for (const bad of [{ key: "" }, { key: 1 }, { name: "n".repeat(129) }, { lineSize: 0 }, { lineSize: 1000 }, { lineSize: 8 << 20 }, { size: 511 }, { size: 2 ** 40 }, { revalidate: "always" }, { readAhead: 1 }, null]) {
    await assert.rejects(withPersistentCache(device, /** @type {any} */ (bad && { key: "k", lineSize: 512, ...bad })), { code: "INVALID_ARGUMENT" }, JSON.stringify(bad));
  }
});

test("where the browser has no place, it goes without", async () => {
  const disk = new MemoryDisk(1000);
  const cache = await withPersistentCache(disk.device, { key: "k" });
  assert.equal(cache.persistent, false);
  await cache.write(5, Uint8Array.of(1, 2, 3));
  assert.deepEqual(await cache.read(0, 1000), disk.bytes);
  assert.deepEqual(cache.stats(), { hits: 0, misses: 1, held: 0 });
  await cache.close();
});

for (const [name, at, length] of /** @type {[string, number, number][]} */ ([["everywhere", 0, size], ["at its beginning", 0, 100], ["at its end", size - 100, 100]])) {
  test(`a disk that was changed ${name} is noticed, and everything dropped`, async () => {
    const bench = new Bench();
    const first = await bench.load();
    await first.read(0, size);
    await first.close();
    bench.disk.bytes = bench.disk.bytes.slice();
    for (let i = at; i < at + length; i++) bench.disk.bytes[i] ^= 0x55;
    const next = await bench.load();
    assert.deepEqual(await next.read(0, size), bench.disk.bytes);
    await next.close();
    const trusting = await bench.load({ revalidate: "never" });
    assert.deepEqual(await trusting.read(0, size), bench.disk.bytes);
    await trusting.close();
  });
}

test("a change of one of few lines is noticed, wherever the piece is; \"never\" does not look", async () => {
  for (let line = 5; line < 15; line++) {
    const bench = new Bench();
    const first = await bench.load();
    await first.read(5 * 512, 10 * 512);
    await first.close();
    const old = bench.disk.bytes.slice();
    bench.disk.bytes.fill(9, line * 512, (line + 1) * 512);
    const trusting = await bench.load({ revalidate: "never" });
    assert.deepEqual(await trusting.read(line * 512, 512), old.slice(line * 512, (line + 1) * 512));
    await trusting.close();
    const next = await bench.load();
    assert.deepEqual(await next.read(0, size), bench.disk.bytes);
    await next.close();
  }
});

test("a sample that fails with the device rejects, and gives the place back", async () => {
  const bench = new Bench();
  const first = await bench.load();
  await first.read(0, size);
  await first.close();
  const { bytes } = bench.disk;
  bench.disk = new MemoryDisk(size);
  bench.disk.bytes = bytes;
  bench.disk.gate = async () => { throw new NbdError("DISCONNECTED", "gone"); };
  await assert.rejects(bench.caches.cached(bench.disk.device), { code: "DISCONNECTED" });
  assert.equal(bench.caches.owned, false);
  const waiting = held(bench.disk);
  const controller = new AbortController();
  const opening = bench.caches.cached(bench.disk.device, { signal: controller.signal });
  while (waiting.length === 0) await settled();
  controller.abort("enough");
  await assert.rejects(opening, (error) => error === "enough");
  assert.equal(bench.caches.owned, false);
  bench.disk.gate = async () => { throw new NbdError("EIO", "bad sector"); };
  await (await bench.caches.cached(bench.disk.device)).close();
});

test("a second page works without it, and what it changes is not served later", async () => {
  const bench = new Bench();
  const first = await bench.load();
  await first.read(0, size);
  const firstDisk = bench.disk;
  const second = await bench.load();
  assert.deepEqual([first.persistent, second.persistent], [true, false]);
  await second.write(3000, new Uint8Array(700).fill(7));
  assert.deepEqual(await second.read(0, size), bench.disk.bytes);
  await first.close();
  assert.equal(firstDisk.closes, 1);
  assert.equal(second.persistent, false, "it takes over by opening only");

  const third = await bench.load({ revalidate: "never" });
  assert.equal(third.persistent, true);
  assert.deepEqual(await third.read(0, size), bench.disk.bytes);
  await second.write(100, new Uint8Array(700).fill(8));
  await third.close();
  const fourth = await bench.load({ revalidate: "never" });
  assert.deepEqual(await fourth.read(0, size), bench.disk.bytes);
});

test("what a second page is about to change may be kept by a third one: not for long", async () => {
  const bench = new Bench();
  const first = await bench.load();
  const second = await bench.load();
  const waiting = held(bench.disk, (op) => op.name === "write");
  const writing = second.write(5120, new Uint8Array(512).fill(7));
  while (waiting.length === 0) await settled();
  await first.close();
  const third = await bench.load({ revalidate: "never" });
  await third.read(5120, 512);
  await bench.calm();
  waiting[0].go();
  await writing;
  await third.close();
  const fourth = await bench.load({ revalidate: "never" });
  assert.deepEqual(await fourth.read(5120, 512), bench.disk.bytes.slice(5120, 5632));
});

test("a record of another line is none", async () => {
  const bench = new Bench();
  const first = await bench.load();
  await first.read(0, size);
  await first.close();
  const index = /** @type {{bytes: Uint8Array}} */ (bench.caches.disk.files.get("index")).bytes;
  const records = new DataView(index.buffer, index.byteOffset, index.byteLength);
  const lines = Array.from({ length: 40 }, (_, slot) => records.getFloat64(slot * 32));
  assert.deepEqual(lines.toSorted((a, b) => a - b), Array.from({ length: 40 }, (_, i) => i));
  for (const [slot, line] of lines.entries()) records.setFloat64(slot * 32, (line + 1) % 39);
  const next = await bench.load({ revalidate: "never" });
  assert.deepEqual(await next.read(0, size), bench.disk.bytes);
  assert.equal(next.stats().hits, 0);
});

test("a device of less than a line, or of nothing, will do", async () => {
  for (const bytes of [0, 1, 511, 513]) {
    const { caches } = new Bench();
    for (const misses of [Math.ceil(bytes / 512), 0]) {
      const disk = new MemoryDisk(bytes);
      const cache = await caches.cached(disk.device);
      assert.deepEqual(await cache.read(0, bytes), disk.bytes);
      assert.deepEqual([cache.persistent, cache.stats().misses], [true, misses], `${bytes} bytes`);
      await cache.close();
    }
  }
});

test("least recently used lines go first, also those of earlier pages; the ends stay", async () => {
  const bench = new Bench();
  const lines = async (/** @type {number[]} */ ...list) => {
    const cache = await bench.load({ size: 6 * 512 });
    bench.disk.asked();
    for (const line of list) await cache.read(line * 512, 1);
    const { read } = bench;
    await cache.close();
    return read / 512;
  };
  assert.equal(await lines(20, 10, 15, 5), 4);
  assert.equal(await lines(20, 10), 0);
  assert.equal(await lines(30), 1); // instead of 15
  assert.equal(await lines(20, 10, 5, 30), 0);
  assert.equal(await lines(15), 1);
  assert.ok(bench.caches.disk.bytes <= 6 * 512 + 6 * 32 + 1024, "bytes that are kept");
});

test("where the browser gives little room, it holds little", async () => {
  const bench = new Bench();
  bench.caches.left = 20 * 512;
  const cache = await bench.load();
  assert.deepEqual(await cache.read(0, size), bench.disk.bytes);
  await cache.flush();
  await bench.calm();
  await cache.close();
  assert.equal(cache.stats().held, 0);
  assert.ok(bench.caches.disk.bytes <= 10 * 512 + 10 * 32 + 1024);
});

test("a full disk ends the growing, and no read", async () => {
  const bench = new Bench();
  bench.caches.disk.limit = 1024 + 40 * 32 + 8 * 512 + 100;
  const cache = await bench.load();
  assert.deepEqual(await cache.read(0, size), bench.disk.bytes);
  for (let line = 10; line < 20; line++) await cache.read(line * 512, 1);
  assert.equal(cache.persistent, true);
  await cache.close();
  const next = await bench.load({ revalidate: "never" });
  bench.disk.asked();
  await next.read(19 * 512, 1);
  assert.equal(bench.read, 0, "the last ones are held instead of others");
  assert.deepEqual(await next.read(0, size), bench.disk.bytes);
});

for (const method of ["read", "write", "flush"]) {
  test(`storage that fails to ${method} is not used any more, and nothing else fails`, async () => {
    const bench = new Bench();
    const first = await bench.load();
    await first.read(0, size / 2);
    await first.close();
    const cache = await bench.load();
    bench.caches.disk.before = (what) => { if (what === method) throw new NbdError("EIO", "cleared"); };
    assert.deepEqual(await cache.read(0, size), bench.disk.bytes);
    await cache.write(1000, new Uint8Array(1000));
    assert.deepEqual(await cache.read(0, size), bench.disk.bytes);
    assert.equal(cache.persistent, false);
    assert.equal(bench.caches.owned, false);
    await cache.close();
    bench.caches.disk.before = () => {};
    const next = await bench.load({ revalidate: "never" });
    assert.deepEqual(await next.read(0, size), bench.disk.bytes);
  });
}

test("storage that fails to open is not used", async () => {
  for (const method of ["open", "size", "read", "write", "flush"]) {
    const bench = new Bench();
    bench.caches.disk.before = (what) => { if (what === method) throw new NbdError("WORKER", "it died"); };
    const cache = await bench.load();
    assert.deepEqual([cache.persistent, bench.caches.owned], [false, false], method);
    assert.deepEqual(await cache.read(0, size), bench.disk.bytes);
    await cache.close();
  }
});

test("a change that nobody can note is refused", async () => {
  const bench = new Bench();
  const cache = await bench.load();
  await cache.read(0, 1000);
  await bench.calm();
  bench.caches.stuck = true;
  bench.caches.disk.before = () => { throw new NbdError("EIO", "broken"); };
  const before = bench.disk.bytes.slice();
  await assert.rejects(cache.write(0, Uint8Array.of(1)), { code: "EIO" });
  assert.deepEqual(bench.disk.bytes, before);
  assert.deepEqual(await cache.read(0, size), before);
});

test("a read-only device has no write path, and nothing is made durable for it", async () => {
  const bench = new Bench();
  const cache = await bench.load({}, { readOnly: true });
  await assert.rejects(cache.write(0, Uint8Array.of(1)), { code: "READ_ONLY" });
  await cache.close();
});

test("a line is forgotten before it is changed, and only the first time that costs a flush", async () => {
  const bench = new Bench();
  const cache = await bench.load();
  await cache.read(0, 4096);
  await bench.calm();
  /** @type {string[]} */ const order = [];
  bench.caches.disk.before = (method, name) => order.push(`${method} ${name}`);
  bench.disk.gate = async (op, when) => { if (when === "before") order.push(op.name); };
  await cache.write(600, Uint8Array.of(1));
  await cache.write(700, Uint8Array.of(1));
  assert.deepEqual(order, ["write about", "write index", "flush index", "write", "write"]);
});

test("what is read while it is changed is not kept", async () => {
  const bench = new Bench();
  const cache = await bench.load();
  const waiting = held(bench.disk);
  const reading = cache.read(5120, 512);
  await settled();
  const writing = cache.write(5200, Uint8Array.of(1, 2, 3));
  while (waiting.length < 2) await settled();
  waiting[0].go(); // it reads the old content
  await reading;
  waiting[1].go();
  await writing;
  await cache.close();
  const next = await bench.load({ revalidate: "never" });
  assert.deepEqual(await next.read(5120, 512), bench.disk.bytes.slice(5120, 5632));
});

test("of a device that was lost, the place is given back", async () => {
  const bench = new Bench();
  const cache = await bench.load();
  bench.disk.lose(new NbdError("DISCONNECTED", "gone"));
  await cache.closed;
  while (bench.caches.owned) await settled();
  await cache.close();
});
