// Folders that the browser keeps: files, one owner, errors.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { inEachBrowser } from "./browsers.js";
import { serveFolder } from "./site.js";

/** Runs in the page. */
async function cases() {
  const { opfsFolder, listFolders, deleteFolder } = await import(/** @type {any} */ ("/client/storage/opfs.js"));
  const folders = await Promise.all(["disk", "Disk", "%44isk"].map((name) => opfsFolder("cases", name)));
  const entries = [];
  const top = await (await navigator.storage.getDirectory()).getDirectoryHandle("nbdbridge");
  for await (const entry of (await top.getDirectoryHandle("cases")).keys()) entries.push(entry.toLowerCase());
  const names = await listFolders("cases");
  await Promise.all(folders.map((folder) => folder.close()));
  for (const name of names) await deleteFolder("cases", name);
  return { different: new Set(entries).size, names: names.sort() };
}

/** Runs in the page. */
async function files() {
  const { opfsFolder, deleteFolder, listFolders } = await import(/** @type {any} */ ("/client/storage/opfs.js"));
  const name = "a/b: ☃ ..*";
  const folder = await opfsFolder("test", name);
  const file = await folder.open("index.0");
  const given = new Uint8Array([9, 1, 2, 3, 9]);
  const calls = [file.write(6, given.subarray(1, 4)), file.flush(), file.truncate(8), file.size(), file.read(4, 100)];
  const results = await Promise.all(calls);
  const again = await opfsFolder("test", name).catch((/** @type {any} */ e) => [e.code, e.message]);
  const busy = await deleteFolder("test", name).catch((/** @type {any} */ e) => e.code);
  await file.close();
  await folder.remove("index.0");
  const gone = await folder.remove("index.0").catch((/** @type {any} */ e) => e.code);
  const ending = [folder.open("other"), folder.close(), folder.close()];
  await Promise.all(ending);
  const closed = await folder.open("x").catch((/** @type {any} */ e) => e.code);
  const listed = await listFolders("test");
  await deleteFolder("test", name);
  await deleteFolder("test", name);
  return { size: results[3], read: [...results[4]], taken: given.length, again, busy, gone, closed, listed, left: await listFolders("test"), none: await listFolders("never") };
}

/** Runs in a Worker: the folder stays open until it ends. */
const program = `import { opfsFolder } from "/client/storage/opfs.js";
onmessage = async () => {
  const folder = await opfsFolder("test", "of a Worker");
  const file = await folder.open("f");
  await file.write(0, new Uint8Array(5));
  postMessage(await file.size());
}`;

/** Runs in the page. */
async function inWorker() {
  const { opfsFolder } = await import(/** @type {any} */ ("/client/storage/opfs.js"));
  const worker = new Worker("/worker.js", { type: "module" });
  const size = await new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = (e) => reject(new Error(e.message || "the Worker did not load"));
    worker.postMessage("go");
  });
  const meanwhile = await opfsFolder("test", "of a Worker").catch((/** @type {any} */ e) => e.code);
  const opening = opfsFolder("test", "of a Worker");
  setTimeout(() => worker.terminate(), 100); // as the Workers of a page that is loaded again
  const folder = await opening;
  const next = await (await folder.open("f")).size();
  await folder.close();
  return { size, meanwhile, next };
}

/** Runs in the page. @param {string} name */
async function tryFolder(name) {
  const { opfsFolder } = await import(/** @type {any} */ ("/client/storage/opfs.js"));
  try {
    const folder = await opfsFolder("test", name);
    const file = await folder.open("f");
    return `open, ${await file.size()}`;
  } catch (/** @type {any} */ error) {
    return `${error.code}`;
  }
}

/**
 * Its last owner has gone, and the browser is about to notice.
 * @param {import("puppeteer-core").Page} page @param {string} name @param {string} want
 */
async function untilFree(page, name, want) {
  for (const deadline = Date.now() + 30_000; ;) {
    const state = await page.evaluate(tryFolder, name);
    if (state === want) return;
    assert.equal(state, "IN_USE");
    assert.ok(Date.now() < deadline, "not in 30 s");
  }
}

inEachBrowser("storage", ({ page: openPage }) => {
  /** @type {Awaited<ReturnType<typeof serveFolder>>} */ let web;
  before(async () => {
    const pages = { "/": { body: "<!doctype html><title>empty</title>" }, "/worker.js": { type: "text/javascript", body: program } };
    web = await serveFolder(fileURLToPath(new URL("../..", import.meta.url)), { pages });
  });
  after(() => web.close());

  test("files are written, read, cut and deleted; a folder has one owner", async () => {
    const page = await openPage(`${web.origin}/`);
    const { again: [code, message], ...rest } = await page.evaluate(files);
    assert.deepEqual(rest, { size: 8, read: [0, 0, 1, 2], taken: 0, busy: "IN_USE", gone: "EIO", closed: "CLOSED", listed: ["a/b: ☃ ..*"], left: [], none: [] });
    assert.equal(code, "IN_USE");
    assert.match(message, /The test "a\/b: ☃ \.\.\*" is open in another tab or Worker/);
    await page.close();
  });

  test("names differ also where the file system takes capital letters for small ones", async () => {
    const page = await openPage(`${web.origin}/`);
    assert.deepEqual(await page.evaluate(cases), { different: 3, names: ["%44isk", "Disk", "disk"] });
    await page.close();
  });

  test("a Worker can own one, and its end gives it back", async () => {
    const page = await openPage(`${web.origin}/`);
    const answer = await page.evaluate(inWorker);
    assert.deepEqual(answer, { size: 5, meanwhile: "IN_USE", next: 5 });
    await untilFree(page, "of a Worker", "open, 5");
    await page.close();
  });

  test("a tab that is closed gives it back", async () => {
    const [first, second] = [await openPage(`${web.origin}/`), await openPage(`${web.origin}/`)];
    assert.equal(await first.evaluate(tryFolder, "tabs"), "open, 0");
    assert.equal(await second.evaluate(tryFolder, "tabs"), "IN_USE");
    await first.close();
    await untilFree(second, "tabs", "open, 0");
    await second.close();
  });
});
