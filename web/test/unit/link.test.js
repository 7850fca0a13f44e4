import assert from "node:assert/strict";
import { test } from "node:test";
import { formatLink, parseLink } from "../../demo/page/link.js";

test("what a link says", () => {
  for (const [hash, want] of /** @type {[string, object][]} */ ([
    ["", {}], ["#", {}], ["#title", {}], ["#&&==", {}],
    ["#target=lab7", { target: "lab7" }],
    ["#bridge=ws://127.0.0.1:1/nbd/&target=a&export=b", { bridge: "ws://127.0.0.1:1/nbd/", target: "a", exportName: "b" }],
    ["#export=a%20b+c%26", { exportName: "a b c&" }],
    ["#target=a&target=b", { target: "a" }],
    ["#key=x&cert=y&ca=z&pins=p&insecure=1&mode=off&target=t", { target: "t" }],
    ["#target=", { target: "" }],
    [`#target=${"x".repeat(4096)}`, { target: "x".repeat(4096) }],
    [`#target=${"x".repeat(4097)}&export=e`, { exportName: "e" }],
    ["#target=%zz&export=e", { target: "%zz", exportName: "e" }],
    ["#target=%ff&export=e", { exportName: "e" }],
    ["#target=a%0Ab&export=e", { exportName: "e" }],
    ["#target=a%00&bridge=%1b[31m", {}],
    ["#__proto__=x&constructor=y", {}],
  ])) assert.deepEqual(parseLink(hash), want, hash.slice(0, 80));
});

test("links are read as they were made", () => {
  for (const link of [
    {}, { target: "lab7" }, { target: "a b+c&d=e#f", exportName: "größe/磁盘?" }, { bridge: "wss://bridge.example/nbd/", target: "t" },
  ]) assert.deepEqual(parseLink(formatLink(link)), link);
});

test("what may be secret is left out", () => {
  for (const bridge of ["wss://user:word@bridge.example/nbd/", "wss://bridge.example/nbd/?token=a", "wss://bridge.example/#a"]) {
    assert.equal(formatLink({ bridge, target: "t" }), "#target=t", bridge);
  }
});

test("what is empty is left out", () => {
  assert.equal(formatLink({ target: "", exportName: "" }), "");
  assert.equal(formatLink({ target: "a", exportName: "" }), "#target=a");
});
