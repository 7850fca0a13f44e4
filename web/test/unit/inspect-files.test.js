// The files side of the inspector, but for its document.
import assert from "node:assert/strict";
import { test } from "node:test";
import { BlobReader, TextWriter, ZipReader } from "@zip.js/zip.js";
import { FolderArchive } from "../../demo/inspect/files/archive.js";
import { imageHeader, textOf } from "../../demo/inspect/files/images.js";
import { FolderNames } from "../../demo/inspect/files/names.js";
import { mergeRuns } from "../../demo/inspect/files/sort.js";
import { timeText } from "../../demo/inspect/files/time.js";
import { Tree, maxEntries } from "../../demo/inspect/files/tree.js";
import { zip } from "../../demo/inspect/files/zip.js";

/** @typedef {import("../../client/inspect/index.js").Entry} Entry */

/** @param {string} name @param {Entry["type"]} [type] @returns {Entry} */
const entry = (name, type = "file") => ({ name, type, size: 1 });

/** @param {Record<string, Entry[][]>} folders by path, in batches */
function lister(folders) {
  return async function* (/** @type {string} */ path) {
    for (const batch of folders[path] ?? []) {
      await new Promise((resolve) => setImmediate(resolve));
      yield batch;
    }
  };
}

const names = (/** @type {Tree} */ tree) => tree.rows.map(({ path }) => path);

test("a tree opens and closes folders, and sorts them, folders first", async () => {
  const tree = new Tree(lister({ "/": [[entry("b"), entry("Zoo", "folder")], [entry("a"), entry("A")]], "/Zoo": [[entry("x")]] }), () => {});
  await tree.open(tree.root);
  assert.deepEqual(names(tree), ["/", "/Zoo", "/A", "/a", "/b"]);
  await tree.open(tree.rows[1]);
  assert.deepEqual(names(tree), ["/", "/Zoo", "/Zoo/x", "/A", "/a", "/b"]);
  tree.close(tree.root);
  assert.deepEqual(names(tree), ["/"]);
  await tree.open(tree.root);
  assert.deepEqual(names(tree), ["/", "/Zoo", "/Zoo/x", "/A", "/a", "/b"], "what was open is open again");
});

test("a folder that is opened while the one above is still listed stays in its place", async () => {
  /** @type {() => void} */ let go = () => {};
  const tree = new Tree(async function* (path) {
    if (path === "/f") return yield [entry("inner")];
    yield [entry("f", "folder")];
    await new Promise((resolve) => { go = () => resolve(undefined); });
    yield [entry("a"), entry("e", "folder")];
  }, () => {});
  const opened = tree.open(tree.root);
  while (tree.rows.length < 2) await new Promise((resolve) => setImmediate(resolve));
  await tree.open(tree.rows[1]);
  go();
  await opened;
  assert.deepEqual(names(tree), ["/", "/e", "/f", "/f/inner", "/a"]);
});

test("a folder that is listed while the one above is closed is whole when that is open again", async () => {
  /** @type {() => void} */ let go = () => {};
  const tree = new Tree(async function* (path) {
    if (path === "/") return yield [entry("f", "folder")];
    yield [entry("one")];
    await new Promise((resolve) => { go = () => resolve(undefined); });
    yield [entry("two")];
  }, () => {});
  await tree.open(tree.root);
  const opened = tree.open(tree.rows[1]);
  while (tree.rows.length < 3) await new Promise((resolve) => setImmediate(resolve));
  tree.close(tree.root);
  go();
  await opened;
  await tree.open(tree.root);
  assert.deepEqual(names(tree), ["/", "/f", "/f/one", "/f/two"]);
  assert.equal(tree.rows[1].problem, "");
});

test("a folder that can't be read to its end shows what it could, and why", async () => {
  const tree = new Tree(async function* () {
    yield [entry("one")];
    throw new Error("the disk says no");
  }, () => {});
  await tree.open(tree.root);
  assert.deepEqual(names(tree), ["/", "/one"]);
  assert.equal(tree.root.problem, "the disk says no");
});

test("a folder that is closed while it is listed is listed anew the next time", async () => {
  let lists = 0;
  const tree = new Tree(async function* (path, { signal }) {
    lists++;
    yield [entry("one")];
    while (lists === 1) {
      await new Promise((resolve) => setImmediate(resolve));
      signal.throwIfAborted();
    }
  }, () => {});
  const first = tree.open(tree.root);
  while (tree.rows.length < 2) await new Promise((resolve) => setImmediate(resolve));
  tree.close(tree.root);
  await first;
  await tree.open(tree.root);
  assert.deepEqual([lists, names(tree)], [2, ["/", "/one"]]);
});

test("a folder with too many entries says how many are shown", async () => {
  const batch = Array.from({ length: 1000 }, (_, i) => entry(`f${i}`));
  const tree = new Tree(async function* () {
    for (;;) yield batch;
  }, () => {});
  await tree.open(tree.root);
  assert.equal(tree.rows.length, maxEntries + 1);
  assert.match(tree.root.problem, /Only the first 200000/);
});

test("runs are merged in order, equal ones as they came", async () => {
  const runs = Array.from({ length: 37 }, (_, run) => Array.from({ length: run * 31 % 50 }, (_, i) => ({ key: i * 7 % 13, run, i })).sort((a, b) => a.key - b.key));
  const want = runs.flat().sort((a, b) => a.key - b.key);
  assert.deepEqual(await mergeRuns(runs, (a, b) => a.key - b.key), want);
  assert.deepEqual(await mergeRuns([], () => 0), []);
});

test("names are safe to unpack, and no two are the same", () => {
  const folder = new FolderNames();
  assert.deepEqual(["../../etc/passwd", "a", "A", "a.txt", "a.txt", "CON", "..", "x\u202Egpj.exe"].map((name) => folder.take(name)),
    ["_.._etc_passwd", "a", "A (2)", "a.txt", "a (2).txt", "_CON", "disk.img", "xgpj.exe"]);
});

test("times have their zone, if one is known", () => {
  for (const [time, zone, want] of [
    ["2026-11-26T20:00:00Z", "UTC", "2026-11-26 20:00:00 UTC"],
    ["2026-11-26T20:00:00Z", "+02:00", "2026-11-26 22:00:00 +02:00"],
    ["2026-11-26T20:00:00Z", "-03:30", "2026-11-26 16:30:00 -03:30"],
    ["2026-11-26T20:00:00Z", "local", "2026-11-26 20:00:00"],
    ["0001-01-01T00:00:00Z", "UTC", "out of range"],
  ]) assert.equal(timeText({ time, zone }), want);
});

test("images are known by their first bytes, and by nothing else", () => {
  const bytes = (/** @type {string} */ text) => Uint8Array.from(text.padEnd(40, "\0"), (c) => c.charCodeAt(0));
  for (const [content, want] of /** @type {const} */ ([
    ["\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x01\0\0\0\0\x80", { type: "image/png", width: 256, height: 128 }],
    ["GIF89a\x10\0\x20\0\0\0\0,\0\0\0\0\x10\0\x20\0", { type: "image/gif", width: 16, height: 32 }],
    ["GIF89a\x10\0\x20\0\x80\0\0abcabc!\xf9\x02ab\0,\x01\0\0\0\xff\xff\xff\xff", { type: "image/gif", width: 65536, height: 65535 }],
    ["GIF89a\x10\0\x20\0\0\0\0", undefined],
    ["\xff\xd8\xff\xe0\0\x04ab\xff\xc0\0\x0b\x08\0\x20\0\x10", { type: "image/jpeg", width: 16, height: 32 }],
    ["BM" + "\0".repeat(16) + "\x10\0\0\0\xe0\xff\xff\xff", { type: "image/bmp", width: 16, height: 32 }],
    ["RIFF\0\0\0\0WEBPVP8X\0\0\0\0\0\0\0\0\x0f\0\0\x1f\0\0", { type: "image/webp", width: 16, height: 32 }],
    ["<svg xmlns='http://www.w3.org/2000/svg'>", undefined],
    ["<html><script>", undefined],
    ["\xff\xd8\xff\xff\xff\xff\xff\xff\xff\xff", undefined],
  ])) assert.deepEqual(imageHeader(bytes(content)), want, JSON.stringify(content));
});

test("text is what can be read as such", () => {
  const utf8 = (/** @type {string} */ text) => new TextEncoder().encode(text);
  assert.equal(textOf(utf8("Größe\n"), true), "Größe\n");
  assert.equal(textOf(utf8("Größe").subarray(0, 3), false), "Gr", "half a character at the end is left out");
  assert.equal(textOf(utf8("Größe").subarray(0, 3), true), undefined);
  assert.equal(textOf(Uint8Array.of(0xff, 0xfe, 65, 0), true), "A");
  assert.equal(textOf(Uint8Array.of(65, 0, 66), true), undefined);
});

/** @param {AsyncIterable<Uint8Array<ArrayBuffer>>} chunks */
async function unzipped(chunks) {
  /** @type {Uint8Array<ArrayBuffer>[]} */ const all = [];
  for await (const chunk of chunks) all.push(chunk);
  const entries = await new ZipReader(new BlobReader(new Blob(all))).getEntries();
  return Promise.all(entries.map(async (e) => /** @type {const} */ ([e.filename, e.directory ? null : await e.getData?.(new TextWriter(), { checkSignature: true })])));
}

/** A volume of texts; null is a folder, an Error a file that fails in its middle. @param {Record<string, string | null | Error>} content */
function fakeVolume(content) {
  const list = async function* (/** @type {string} */ path) {
    const within = Object.keys(content).filter((p) => p !== path && p.slice(0, p.lastIndexOf("/")) === (path === "/" ? "" : path));
    yield within.map((p) => entry(p.slice(p.lastIndexOf("/") + 1), content[p] === null ? "folder" : p.endsWith("@") ? "symlink" : "file"));
  };
  const file = async (/** @type {string} */ path) => ({
    async *stream() {
      const text = content[path];
      yield new TextEncoder().encode(String(text instanceof Error ? "half" : text));
      if (text instanceof Error) throw text;
    },
    close() {},
  });
  return /** @type {import("../../client/inspect/index.js").Volume} */ (/** @type {unknown} */ ({ list, file }));
}

test("a folder becomes an archive, which tells what is not in it", async () => {
  const volume = fakeVolume({ "/a.txt": "hello", "/sub": null, "/sub/ü.txt": "größer", "/sub/link@": "", "/sub/bad": new Error("a bad sector"), "/_left-out.txt": "its own" });
  const archive = new FolderArchive(volume, new AbortController().signal);
  assert.deepEqual(await unzipped(zip(archive.items("/"))), [
    ["a.txt", "hello"], ["sub/", null], ["sub/ü.txt", "größer"], ["sub/bad", "half"], ["_left-out (2).txt", "its own"],
    ["_left-out.txt", "What is not in this archive, or not as a whole:\n\n/sub/link@: it is a symlink\n/sub/bad: it ends after 4 bytes: a bad sector\n"],
  ]);
});

test("an archive that would have too many names fails as a whole", async () => {
  const volume = fakeVolume({ "/a": null, "/a/b": null, "/a/b/c": "c" });
  await assert.rejects(unzipped(zip(new FolderArchive(volume, new AbortController().signal, 2).items("/"))), { code: "LIMIT" });
});

test("an archive of nothing is one", async () => {
  assert.deepEqual(await unzipped(zip(new FolderArchive(fakeVolume({}), new AbortController().signal).items("/"))), []);
});
