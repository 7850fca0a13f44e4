import assert from "node:assert/strict";
import { test } from "node:test";
import { RunMap, gaps, nowhere } from "../../client/layers/runmap.js";
import { Slots } from "../../client/layers/slots.js";
import { Random } from "./random.js";

const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 32));

test(`a RunMap holds what an array would (SEED=${seed})`, () => {
  const random = new Random(seed);
  const blocks = 3000;
  const map = new RunMap();
  /** By block: a slot, nowhere, or undefined. @type {(number | undefined)[]} */
  const model = new Array(blocks).fill(undefined);
  const expand = (/** @type {import("../../client/layers/runmap.js").Run[]} */ runs, first = 0, end = blocks) => {
    const list = new Array(blocks).fill(undefined);
    for (const run of runs) for (let b = run.first; b < run.end; b++) list[b] = run.slot === nowhere ? nowhere : run.slot + b - run.first;
    return list.slice(first, end);
  };
  let most = 0;
  for (let i = 0; i < 20_000; i++) {
    const first = random.below(blocks);
    const end = Math.min(first + 1 + random.below(random.of([1, 1, 1, 5, random.chance(2) ? 1000 : 1])), blocks);
    const slot = random.of([undefined, nowhere, random.below(1000), random.below(1000)]);
    const was = slot === undefined ? map.remove(first, end) : map.set(first, end, slot);
    assert.deepEqual(expand(was, first, end), model.slice(first, end));
    for (let b = first; b < end; b++) model[b] = slot === undefined || slot === nowhere ? slot : slot + b - first;
    if (i % 50 === 0) assert.deepEqual(expand(map.within()), model);
    assert.deepEqual(expand(map.within(first, end + 3), first, end), model.slice(first, end));
    most = Math.max(most, map.count);
  }
  assert.ok(most > 600, "it has many leaves");
  assert.equal(map.count, map.within().length);
  map.remove(0, blocks);
  assert.deepEqual([map.count, map.first, map.last, map.within()], [0, undefined, undefined, []]);
});

test("runs that continue each other are one, and a whole disk is one", () => {
  const map = new RunMap();
  for (const b of [5, 3, 4, 9, 8]) map.set(b, b + 1, b + 100);
  assert.deepEqual(map.within(), [{ first: 3, end: 6, slot: 103 }, { first: 8, end: 10, slot: 108 }]);
  map.set(6, 8, nowhere);
  assert.equal(map.count, 3);
  for (let b = 0; b < 10_000; b++) map.set(b, b + 1, b + 7);
  assert.equal(map.count, 1);
  map.set(0, 2 ** 44, nowhere);
  assert.deepEqual(map.within(10, 20), [{ first: 10, end: 20, slot: nowhere }]);
  assert.equal(map.count, 1);
});

test("gaps are what no run covers", () => {
  const runs = [{ first: 2, end: 4, slot: 0 }, { first: 4, end: 5, slot: 9 }, { first: 7, end: 8, slot: 1 }];
  assert.deepEqual(gaps(runs, 0, 9).map(({ first, end }) => [first, end]), [[0, 2], [5, 7], [8, 9]]);
  assert.deepEqual(gaps([], 3, 3), []);
});

test("slots are taken from the lowest on, and the top goes down again", () => {
  const slots = new Slots();
  assert.deepEqual(slots.take(10), [{ first: 0, end: 10 }]);
  slots.free(2, 4);
  slots.free(6, 7);
  assert.deepEqual(slots.take(5).map(({ first, end }) => [first, end]), [[2, 4], [6, 7], [10, 12]]);
  slots.free(5, 11);
  slots.free(11, 12);
  assert.equal(slots.top, 5);
  const used = new RunMap();
  used.set(3, 5, nowhere);
  assert.deepEqual(Slots.around(used).take(4).map(({ first, end }) => [first, end]), [[0, 3], [5, 6]]);
});
