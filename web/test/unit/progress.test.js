import assert from "node:assert/strict";
import { test } from "node:test";
import { Progress } from "../../client/progress.js";

/** A progress of 1000 bytes on a clock that the test turns. @param {number} [done] */
function started(done) {
  const clock = { at: 7 };
  /** @type {import("../../client/progress.js").ProgressState[]} */ const told = [];
  const progress = new Progress(1000, (state) => told.push(state), { done, now: () => clock.at });
  return { progress, told, clock };
}

test("the first count is told at once, and ten in a second at most", () => {
  const { progress, told, clock } = started();
  for (; clock.at < 1007; clock.at += 10) progress.add(1);
  assert.equal(told.length, 10);
  assert.deepEqual(told[0], { done: 1, total: 1000, skipped: 0, rate: undefined, left: undefined, errors: 0 });
  assert.equal(told[9].done, 91);
});

test("what was skipped is done, and in no rate", () => {
  const { progress, clock } = started();
  progress.skip(600);
  clock.at += 1000;
  progress.add(100);
  progress.fail();
  assert.deepEqual(progress.state(), { done: 700, total: 1000, skipped: 600, rate: 100, left: 3000, errors: 1 });
});

test("the end is told, however soon after the last time", () => {
  const { progress, told } = started();
  progress.add(1);
  progress.add(999);
  assert.equal(told.length, 1);
  progress.end();
  assert.deepEqual(told.map(({ done }) => done), [1, 1000]);
});

test("the rate is that of the last seconds", () => {
  const { progress, told, clock } = started();
  for (let i = 0; i < 100; i++, clock.at += 100) progress.add(i < 50 ? 9 : 1);
  const rate = told.at(-1)?.rate ?? 0;
  assert.ok(rate > 9 && rate < 12, `${rate}`);
});

test("a stall shows in the rate, and nothing is known of the time left", () => {
  const { progress, clock } = started();
  progress.add(100);
  clock.at += 6000;
  progress.skip(1);
  clock.at += 6000;
  progress.skip(1);
  assert.deepEqual([progress.state().rate, progress.state().left], [0, undefined]);
});

test("what was done before counts, and in no rate", () => {
  const { progress, clock } = started(500);
  clock.at += 1000;
  progress.add(100);
  const { done, rate, left } = progress.state();
  assert.deepEqual({ done, rate, left }, { done: 600, rate: 100, left: 4000 });
});

test("nobody needs to listen", () => {
  const progress = new Progress(1);
  progress.add(1);
  progress.end();
  assert.equal(progress.state().done, 1);
});
