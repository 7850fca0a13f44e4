// The picture of the blocks in use: few requests, right numbers.
import assert from "node:assert/strict";
import { test } from "node:test";
import { NbdError } from "../../client/errors.js";
import { shares } from "../../demo/inspect/overview/shares.js";
import { Cells, Tally, maxRequests, survey } from "../../demo/inspect/overview/survey.js";

/** @typedef {import("../../client/ranges.js").Extent} Extent */

/** A disk that alternates between data and holes. @param {number} period in bytes */
function striped(period) {
  const asked = /** @type {number[]} */ ([]);
  return {
    asked,
    async blockStatus(/** @type {any} */ offset, /** @type {any} */ length) {
      asked.push(length);
      const extents = /** @type {Extent[]} */ ([]);
      for (let at = offset; at < offset + length;) {
        const end = Math.min(offset + length, (Math.floor(at / period) + 1) * period);
        extents.push({ offset: at, length: end - at, type: Math.floor(at / period) % 2 ? "hole" : "data" });
        at = end;
      }
      return extents;
    },
  };
}

/** @param {Pick<import("../../client/device.js").BlockDevice, "blockStatus">} device @param {number} size */
async function surveyed(device, size) {
  const tally = new Tally(0, size);
  let at = 0;
  for await (const step of survey(device, 0, size)) {
    assert.equal(step.offset, at);
    assert.ok(step.next >= step.offset + step.length);
    tally.add(step.extents);
    at = step.next;
  }
  assert.equal(at, size);
  return tally;
}

test("a sparse disk of 1 TiB is told wholly, in some hundred requests", async () => {
  const device = striped(2 ** 38);
  const tally = await surveyed(device, 2 ** 40);
  assert.deepEqual([tally.data, tally.hole, tally.zero], [2 ** 39, 2 ** 39, 0]);
  assert.ok(device.asked.length < 300, `${device.asked.length} requests`);
});

test("a scattered disk is sampled, with as many requests and small answers", async () => {
  const device = striped(4096);
  const tally = await surveyed(device, 2 ** 44);
  assert.ok(device.asked.length <= maxRequests, `${device.asked.length} requests`);
  assert.ok(Math.max(...device.asked) <= 2 ** 24, "an answer has some thousand extents at most");
  assert.ok(tally.told < 2 ** 44);
  assert.ok(Math.abs(tally.data / tally.told - 0.5) < 0.01);
});

test("64 PiB of one hole stay within the bound", async () => {
  const device = striped(2 ** 56);
  await surveyed(device, 2 ** 53 - 512);
  assert.ok(device.asked.length <= maxRequests, `${device.asked.length} requests`);
});

test("an empty disk is asked nothing", async () => {
  const device = striped(4096);
  assert.equal((await surveyed(device, 0)).told, 0);
  assert.equal(device.asked.length, 0);
});

test("a failure is a gap, and three in a row are the end", async () => {
  const device = striped(2 ** 30);
  let failing = 1;
  const flaky = { blockStatus: (/** @type {any} */ offset, /** @type {any} */ length) => failing-- > 0 ? Promise.reject(new NbdError("EIO", "no")) : device.blockStatus(offset, length) };
  assert.ok((await surveyed(flaky, 2 ** 32)).told < 2 ** 32);
  failing = 3;
  await assert.rejects(surveyed(flaky, 2 ** 32), { code: "EIO" });
});

test("an abort ends it with its reason", async () => {
  const controller = new AbortController();
  const device = { async blockStatus() { controller.abort(new Error("stopped")); throw new Error("aborted"); } };
  await assert.rejects(survey(device, 0, 1000, controller.signal).next(), /stopped/);
});

test("cells count what is in them", () => {
  const cells = new Cells(10_000, 4);
  assert.deepEqual([cells.cellSize, cells.count], [2560, 4]);
  cells.add([{ offset: 0, length: 2560, type: "data" }, { offset: 2560, length: 1280, type: "zero" }, { offset: 3840, length: 2560, type: "hole" }]);
  assert.deepEqual([0, 1, 2, 3].map((i) => cells.shares(i)), [{ data: 1, zero: 0, hole: 0 }, { data: 0, zero: 0.5, hole: 0.5 }, { data: 0, zero: 0, hole: 1 }, undefined]);
});

test("a tally counts what of an extent is in its range", () => {
  const tally = new Tally(100, 50);
  tally.add([{ offset: 0, length: 120, type: "data" }, { offset: 120, length: 10, type: "zero" }, { offset: 140, length: 1000, type: "hole" }]);
  assert.deepEqual([tally.data, tally.zero, tally.hole, tally.told], [20, 10, 10, 40]);
});

test("parts are to scale, but for those that would be too small", () => {
  assert.deepEqual(shares([50, 50], 0.02), [{ share: 0.5, widened: false }, { share: 0.5, widened: false }]);
  const found = shares([1, 999, 1000], 0.02);
  assert.deepEqual(found.map(({ widened }) => widened), [true, false, false]);
  assert.equal(found[0].share, 0.02);
  assert.ok(Math.abs(found[1].share / found[2].share - 0.999) < 1e-9);
  for (const lengths of [[0], [0, 0], [5], Array(300).fill(1), [1, ...Array(300).fill(0)]]) {
    const sum = shares(lengths, 0.02).reduce((total, { share }) => total + share, 0);
    assert.ok(Math.abs(sum - 1) < 1e-9, `${lengths.length} parts add up to ${sum}`);
  }
});
