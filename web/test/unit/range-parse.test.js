import assert from "node:assert/strict";
import { test } from "node:test";
import { judge, rangeCounts } from "../../client/range/conditions.js";
import { attachment, safeName } from "../../client/range/filename.js";
import { contentRange, parseRange } from "../../client/range/ranges.js";

const size = 1000;
/** @param {number[][]} pairs */
const parts = (...pairs) => pairs.map(([offset, length]) => ({ offset, length }));

test("what a Range field asks for", () => {
  /** @type {[string | undefined, any][]} */
  const table = [
    [undefined, undefined],
    ["", undefined],
    ["bytes=0-0", parts([0, 1])],
    ["bytes=0-499", parts([0, 500])],
    ["bytes=500-999", parts([500, 500])],
    ["bytes=999-", parts([999, 1])],
    ["bytes=0-", parts([0, 1000])],
    ["bytes=900-5000", parts([900, 100])],
    ["bytes=-1", parts([999, 1])],
    ["bytes=-1000", parts([0, 1000])],
    ["bytes=-5000", parts([0, 1000])],
    ["bytes=0-99999999999999999999999999", parts([0, 1000])],
    ["bytes=-99999999999999999999999999", parts([0, 1000])],
    ["bytes=000005-0010", parts([5, 6])],
    ["BYTES=0-1", parts([0, 2])],
    ["  bytes=0-1  ", parts([0, 2])],
    // Several, in the order of the request.
    ["bytes=0-1,5-6", parts([0, 2], [5, 2])],
    ["bytes= 5-6 , 0-1 ", parts([5, 2], [0, 2])],
    ["bytes=,0-1,,5-6,", parts([0, 2], [5, 2])],
    ["bytes=0-1,-2,998-", parts([0, 2], [998, 2], [998, 2])],
    ["bytes=0-1,5000-6000", parts([0, 2])],
    ["bytes=0-9,1-9", parts([0, 10], [1, 9])],
    // Well said, and nothing of it is there.
    ["bytes=1000-", "unsatisfiable"],
    ["bytes=1000-1001", "unsatisfiable"],
    ["bytes=99999999999999999999999-", "unsatisfiable"],
    ["bytes=-0", "unsatisfiable"],
    ["bytes=1000-,-0", "unsatisfiable"],
    // More than anybody needs.
    ["bytes=0-9,1-9,2-9,3-9", "unsatisfiable"],
    [`bytes=${Array.from({ length: 256 }, (_, i) => `${i}-${i}`)}`, parts(...Array.from({ length: 256 }, (_, i) => [i, 1]))],
    [`bytes=${Array.from({ length: 257 }, (_, i) => `${i}-${i}`)}`, "unsatisfiable"],
    // What can't be meant counts for nothing.
    ["bytes=", undefined],
    ["bytes=,", undefined],
    ["bytes=-", undefined],
    ["bytes=5-4", undefined],
    ["bytes=0-1,5-4", undefined],
    ["bytes=a-b", undefined],
    ["bytes=0x0-0x9", undefined],
    ["bytes=0-1;5-6", undefined],
    ["bytes=+0-1", undefined],
    ["bytes=1.5-2", undefined],
    ["bytes=--1", undefined],
    ["bytes=0 - 1", undefined],
    ["bytes 0-1", undefined],
    ["bytes", undefined],
    ["lines=0-1", undefined],
    ["bytes =0-1", undefined],
  ];
  for (const [header, want] of table) assert.deepEqual(parseRange(header, size), want, `${header}`);
});

test("ranges of nothing, and of the largest there is", () => {
  /** @type {[string, number, any][]} */
  const table = [
    ["bytes=0-", 0, "unsatisfiable"],
    ["bytes=0-0", 0, "unsatisfiable"],
    ["bytes=-5", 0, undefined],
    ["bytes=-0", 0, "unsatisfiable"],
    ["bytes=9007199254740989-", 2 ** 53 - 1, parts([2 ** 53 - 3, 2])],
    ["bytes=9007199254740989-9007199254740990", 2 ** 53 - 1, parts([2 ** 53 - 3, 2])],
    ["bytes=-1", 2 ** 53 - 1, parts([2 ** 53 - 2, 1])],
  ];
  for (const [header, size, want] of table) assert.deepEqual(parseRange(header, size), want, `${header} of ${size}`);
});

test("Content-Range names the first and the last byte", () => {
  assert.equal(contentRange({ offset: 5, length: 6 }, size), "bytes 5-10/1000");
});

test("conditions, in the order of RFC 9110", () => {
  const etag = '"abc"';
  /** @type {[Record<string, string>, 200 | 304 | 412][]} */
  const table = [
    [{}, 200],
    [{ "if-match": '"abc"' }, 200],
    [{ "if-match": '"x", "abc"' }, 200],
    [{ "if-match": "*" }, 200],
    [{ "if-match": '"x"' }, 412],
    [{ "if-match": 'W/"abc"' }, 412], // strong comparison
    [{ "if-match": "abc" }, 412],
    [{ "if-match": "" }, 412],
    [{ "if-none-match": '"abc"' }, 304],
    [{ "if-none-match": 'W/"abc"' }, 304], // weak comparison
    [{ "if-none-match": '"x" , W/"abc"' }, 304],
    [{ "if-none-match": "*" }, 304],
    [{ "if-none-match": '"x"' }, 200],
    [{ "if-none-match": '"x, "abc"' }, 200],
    [{ "if-none-match": "abc" }, 200],
    [{ "if-none-match": 'w/"abc"' }, 200],
    [{ "if-match": '"x"', "if-none-match": '"abc"' }, 412],
    [{ "if-match": '"abc"', "if-none-match": '"abc"' }, 304],
  ];
  for (const [fields, want] of table) assert.equal(judge(fields, etag), want, JSON.stringify(fields));
  assert.equal(judge({ "if-none-match": '"a,b"' }, '"a,b"'), 304);
});

test("If-Range takes the very ETag, and nothing else", () => {
  /** @type {[string | undefined, boolean][]} */
  const table = [
    [undefined, true], ['"abc"', true], [' "abc" ', true], ['"x"', false], ['W/"abc"', false], ["*", false],
    ['"abc", "abc"', false], ["Wed, 21 Oct 2015 07:28:00 GMT", false], ["", false],
  ];
  for (const [field, want] of table) assert.equal(rangeCounts({ "if-range": field }, '"abc"'), want, `${field}`);
});

test("names of files are such, on every system", () => {
  /** @type {[string, string][]} */
  const table = [
    ["disk.img", "disk.img"],
    ["", "disk.img"],
    ["Größe 磁盘 💾.img", "Größe 磁盘 💾.img"],
    ["../../etc/passwd", "_.._etc_passwd"],
    ["C:\\Windows\\x.exe", "C__Windows_x.exe"],
    ["..", "disk.img"],
    [".hidden", "hidden"],
    ["~/.profile", "_.profile"],
    ["a\r\nSet-Cookie: x=1", "aSet-Cookie_ x=1"],
    ["a\0b\x7fc\u0085d", "abcd"],
    ["gpj\u202Eexe.", "gpjexe"],
    ["zero\u200Bwidth", "zerowidth"],
    ["half\uD800pair", "halfpair"],
    ['quo"te', "quo_te"],
    ["50%", "50_"],
    ["con", "_con"],
    ["NUL.txt", "_NUL.txt"],
    ["con ", "_con"],
    ["aux .txt", "_aux .txt"],
    ["console", "console"],
    ["trailing. . ", "trailing"],
    ["e\u0301", "\u00e9"],
    [`${"x".repeat(300)}.img`, `${"x".repeat(196)}.img`],
    [`${"💾".repeat(100)}.img`, `${"💾".repeat(49)}.img`],
    ["x".repeat(2_000_000), "x".repeat(200)],
    [`a.${"x".repeat(300)}`, `a.${"x".repeat(198)}`],
  ];
  for (const [name, want] of table) assert.equal(safeName(name), want, JSON.stringify(name));
});

test("Content-Disposition as RFC 6266 has it", () => {
  /** @type {[string, string][]} */
  const table = [
    ["disk.img", 'attachment; filename="disk.img"'],
    ["my disk.img", 'attachment; filename="my disk.img"'],
    ["Größe.img", `attachment; filename="Gr__e.img"; filename*=UTF-8''Gr%C3%B6%C3%9Fe.img`],
    ["磁 (1)'.img", `attachment; filename="_ (1)'.img"; filename*=UTF-8''%E7%A3%81%20%281%29%27.img`],
  ];
  for (const [name, want] of table) assert.equal(attachment(name), want);
});
