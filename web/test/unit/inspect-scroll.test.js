// Which rows the inspector shows, on disks of any size.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ScrollModel, maxHeight } from "../../demo/inspect/bytes/scroll.js";

/** @param {number} rows */
function model(rows) {
  const scroll = new ScrollModel();
  scroll.shape({ rows, visible: 30, rowHeight: 20 });
  return scroll;
}

test("a disk of few rows scrolls pixel by pixel", () => {
  const scroll = model(1000);
  assert.deepEqual([scroll.height, scroll.scaled, scroll.last], [20_000, false, 970]);
  const room = scroll.height - 600;
  for (const row of [0, 1, 7, 969, 970]) {
    scroll.moveTo(row);
    const place = scroll.place(room);
    assert.equal(Math.round(place), row * 20);
    scroll.moveTo(0);
    scroll.follow(Math.round(place), room);
    assert.equal(scroll.top, row);
  }
});

test("a disk of too many rows has a bar to scale, exact at both ends", () => {
  const rows = 2 ** 36; // 1 TiB in rows of 16
  const scroll = model(rows);
  assert.deepEqual([scroll.height, scroll.scaled], [maxHeight, true]);
  const room = maxHeight - 600;
  scroll.follow(room, room);
  assert.equal(scroll.top, rows - 30);
  scroll.follow(room - 0.4, room);
  assert.ok(scroll.top < rows - 30);
  scroll.follow(0, room);
  assert.equal(scroll.top, 0);
  scroll.follow(room / 2, room);
  assert.ok(Math.abs(scroll.top / scroll.last - 0.5) < 1e-9);
});

test("the wheel goes row by row everywhere, and keeps what is less than a row", () => {
  const scroll = model(2 ** 36);
  scroll.moveTo(2 ** 35);
  for (let i = 0; i < 4; i++) assert.equal(scroll.wheel(15), true);
  assert.equal(scroll.top, 2 ** 35 + 3);
  scroll.wheel(-20);
  assert.equal(scroll.top, 2 ** 35 + 2);
});

test("at an end the wheel is left to the page", () => {
  const scroll = model(1000);
  assert.equal(scroll.wheel(-20), false);
  scroll.moveTo(970);
  assert.equal(scroll.wheel(20), false);
  assert.equal(scroll.wheel(-20), true);
});

test("rows are brought into sight by as little as it takes", () => {
  const scroll = model(1000);
  for (const [row, top] of [[29, 0], [30, 1], [100, 71], [71, 71], [70, 70], [999, 970]]) {
    scroll.reveal(row);
    assert.equal(scroll.top, top, `row ${row}`);
  }
  scroll.jump(980);
  assert.equal(scroll.top, 970, "in sight");
  scroll.jump(500);
  assert.equal(scroll.top, 490, "a third down");
});

test("an empty disk, and one with less than a view, stand still", () => {
  for (const rows of [0, 5]) {
    const scroll = model(rows);
    scroll.moveTo(3);
    scroll.follow(100, 0);
    assert.deepEqual([scroll.top, scroll.last, scroll.place(0), scroll.wheel(100)], [0, 0, 0, false]);
  }
});
