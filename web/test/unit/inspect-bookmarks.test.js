// Bookmarks: kept by disk, bounded, in and out of files.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Bookmarks, maxDisks, maxMarks, maxName } from "../../demo/inspect/bytes/bookmarks.js";

function storage(text = /** @type {string | null} */ (null)) {
  const kept = { text };
  return { kept, getItem: () => kept.text, setItem: (/** @type {string} */ _, /** @type {string} */ value) => { kept.text = value; } };
}

test("a disk finds its own again, in order, and no other's", () => {
  const store = storage();
  const first = new Bookmarks("a", 1000, store);
  first.add({ name: " late ", offset: 500, length: 1 });
  first.add({ name: "early", offset: 5, length: 10 });
  first.add({ name: "renamed", offset: 500, length: 1 });
  new Bookmarks("b", 1000, store).add({ name: "other", offset: 0, length: 1 });
  assert.deepEqual(new Bookmarks("a", 1000, store).list, [{ name: "early", offset: 5, length: 10 }, { name: "renamed", offset: 500, length: 1 }]);
  assert.deepEqual(new Bookmarks("a", 100, store).list.map(({ name }) => name), ["early"], "what is beyond the end is not shown");
});

test("without an identity nothing is kept", () => {
  const store = storage();
  const marks = new Bookmarks(undefined, 1000, store);
  marks.add({ name: "x", offset: 0, length: 1 });
  assert.deepEqual([marks.list.length, store.kept.text], [1, null]);
});

test("one that is removed stays away", () => {
  const store = storage();
  const marks = new Bookmarks("a", 1000, store);
  marks.add({ name: "x", offset: 0, length: 1 });
  marks.remove(marks.list[0]);
  assert.equal(store.kept.text, "[]");
});

test("there are bounds", () => {
  const store = storage();
  const marks = new Bookmarks("a", 1000, store);
  for (let i = 0; i < maxMarks; i++) marks.add({ name: "n".repeat(300), offset: i, length: 1 });
  assert.equal(marks.list[0].name.length, maxName);
  assert.throws(() => marks.add({ name: "x", offset: 999, length: 1 }), /200 bookmarks/);
  for (let i = 0; i < maxDisks + 5; i++) new Bookmarks(`disk ${i}`, 10, store).add({ name: "x", offset: 0, length: 1 });
  assert.equal(JSON.parse(String(store.kept.text)).length, maxDisks);
  assert.deepEqual(new Bookmarks("a", 1000, store).list, [], "the disk that was used least lately goes");
});

test("what is damaged in the browser counts as nothing", () => {
  for (const text of ["", "{", "null", "[{}]", '[{"identity":"a","marks":[{"name":1}]}]', '[{"identity":"a","marks":[null]}]']) {
    assert.deepEqual(new Bookmarks("a", 1000, storage(text)).list, [], text);
  }
});

test("a file goes out and in again", () => {
  const from = new Bookmarks("a", 1000, storage());
  from.add({ name: "x", offset: 7, length: 3 });
  const to = new Bookmarks("b", 1000, storage());
  to.add({ name: "mine", offset: 7, length: 3 });
  assert.equal(to.load(JSON.stringify(from)), 1);
  assert.deepEqual(to.list, [{ name: "x", offset: 7, length: 3 }]);
});

test("a file that is wrong changes nothing", () => {
  const marks = new Bookmarks("a", 1000, storage());
  marks.add({ name: "mine", offset: 0, length: 1 });
  const file = (/** @type {unknown} */ bookmarks) => JSON.stringify({ format: "nbdbridge-bookmarks", version: 1, bookmarks });
  for (const [text, why] of /** @type {[string, RegExp][]} */ ([
    ["{", /no JSON/], ["null", /no bookmarks/], ['{"format":"x"}', /no bookmarks/], [file({}), /no bookmarks/], [file([{ name: "x", offset: -1, length: 1 }]), /that is none/],
    [file([{ name: "x", offset: 0.5, length: 1 }]), /that is none/], [file([{ name: "x", offset: 0, length: 0 }]), /that is none/], [file([{ offset: 0, length: 1 }]), /that is none/],
    [file([{ name: "x", offset: 1000, length: 1 }]), /beyond the end/], [file(Array(201).fill({ name: "x", offset: 0, length: 1 })), /201 bookmarks/],
  ])) assert.throws(() => marks.load(text), why, text.slice(0, 90));
  assert.equal(marks.list.length, 1);
});
