import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";

/** What index.js and all that it imports may weigh, as gzip without comments. */
const budget = 15_000;
const web = fileURLToPath(new URL("../..", import.meta.url));

/** @param {string} folder @param {string[]} names @param {(text: string) => string} change */
async function gzipped(folder, names, change = (text) => text) {
  const texts = await Promise.all(names.map((name) => readFile(join(folder, name), "utf8")));
  return gzipSync(texts.map(change).join(""), { level: 9 }).length;
}

/** The compiler indents by four spaces, and we by two. @param {string} text */
const asWritten = (text) => text.replace(/^( +)\1/gm, "$1");

test("the page's side of a disk is small", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "nbd-size-"));
  t.after(() => rm(folder, { recursive: true }));
  const emit = ["--allowJs", "--noCheck", "--removeComments", "--target", "es2024", "--module", "nodenext", "--outDir", folder, "--rootDir", "client", "client/index.js"];
  await promisify(execFile)(join(web, "node_modules/.bin/tsc"), ["--ignoreConfig", ...emit], { cwd: web });
  const names = (await readdir(folder)).sort();
  assert.ok(names.includes("stripes.js") && !names.includes("worker.js"), `${names}`);
  const [bare, whole] = [await gzipped(folder, names, asWritten), await gzipped(join(web, "client"), names)];
  t.diagnostic(`gzip of ${names.length} files: ${bare} bytes without comments, ${whole} with`);
  assert.ok(bare < budget, `${bare} bytes, the budget is ${budget}`);
});
