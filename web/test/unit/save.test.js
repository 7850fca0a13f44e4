import assert from "node:assert/strict";
import { after, beforeEach, test } from "node:test";
import { NbdError } from "../../client/errors.js";
import { saveAs } from "../../client/save/index.js";
import { FakeSite } from "./fake-service-worker.js";
import { passTime } from "./long-timers.js";
import { MemoryDisk } from "./memory-disk.js";

const size = 3_000_000;
const site = new FakeSite();
after(() => site.remove());

/** What the dialog of the page gives: a file that notes what becomes of it. */
class FakeFile {
  name = "vda.img";
  /** @type {Uint8Array[]} */ written = [];
  state = "made";
  /** @type {Error | undefined} */ refusal;

  async createWritable() {
    return {
      write: async (/** @type {Uint8Array} */ bytes) => {
        if (this.refusal) throw this.refusal;
        this.written.push(bytes.slice());
      },
      close: async () => { this.state = "closed"; },
      abort: async () => { this.state = "aborted"; },
    };
  }

  async getFile() {
    return { size: 0 };
  }

  async remove() {
    this.state += ", removed";
  }
}

/** @type {FakeFile} */ let file;
/** @type {string[]} */ let suggested;
beforeEach(() => {
  file = new FakeFile();
  suggested = [];
  dialog(async ({ suggestedName }) => {
    suggested.push(suggestedName);
    return file;
  });
});

/** @param {((options: any) => Promise<unknown>) | undefined} showSaveFilePicker */
function dialog(showSaveFilePicker) {
  Object.assign(globalThis, { showSaveFilePicker });
}

/** @param {Uint8Array[]} chunks @param {Error} [end] */
function streamOf(chunks, end) {
  const left = [...chunks];
  const state = { cancelled: /** @type {unknown} */ (undefined) };
  const stream = new ReadableStream({
    pull(sink) {
      const chunk = left.shift();
      if (chunk) sink.enqueue(chunk);
      else if (end) sink.error(end);
      else sink.close();
    },
    cancel(reason) { state.cancelled = reason ?? "no reason"; },
  }, { highWaterMark: 0 });
  return { stream, state };
}

test("a device, and a stream, through the dialog", async () => {
  const disk = new MemoryDisk(size);
  /** @type {any[]} */ const told = [];
  await saveAs(disk.device, "../vda.img", { onProgress: (state) => told.push(state) });
  assert.deepEqual([Buffer.concat(file.written).equals(disk.bytes), file.state, suggested], [true, "closed", ["_vda.img"]]);
  assert.deepEqual([told.at(-1).done, told.at(-1).total, told.at(-1).errors], [size, size, 0]);
  file.written = [];
  const chunk = Uint8Array.of(9, 1, 2, 9);
  await saveAs(streamOf([chunk.subarray(1, 3), chunk]).stream, "x", { onProgress: (state) => told.push(state) });
  assert.deepEqual([...Buffer.concat(file.written)], [1, 2, 9, 1, 2, 9]);
  assert.equal(chunk.length, 4); // it is still the caller's
  assert.deepEqual([told.at(-1).done, told.at(-1).total, told.at(-1).left], [6, undefined, undefined]);
});

test("what goes wrong leaves no file, is told, and ends the source", async () => {
  const broken = new NbdError("EIO", "It broke.");
  const quota = new DOMException("full", "QuotaExceededError");
  /** @type {[string, () => ReturnType<typeof streamOf>, Error | undefined, RegExp][]} */
  const table = [
    ["the source", () => streamOf([new Uint8Array(5)], broken), undefined, /^NbdError: It broke/],
    ["the file", () => streamOf([new Uint8Array(5)]), quota, /ENOSPC|gives no more room/],
    ["a chunk", () => streamOf([/** @type {any} */ ("text")]), undefined, /must give Uint8Arrays/],
  ];
  for (const [what, make, refusal, message] of table) {
    file = new FakeFile();
    file.refusal = refusal;
    const { stream, state } = make();
    await assert.rejects(saveAs(stream, "x"), message, what);
    assert.match(file.state, /, removed$/, what);
    if (what !== "the source") assert.ok(state.cancelled, what);
  }
});

test("an abort ends it at once, wherever it is", async () => {
  const reason = new Error("enough");
  const aborted = AbortSignal.abort(reason);
  await assert.rejects(saveAs(new MemoryDisk(5).device, "x", { signal: aborted }), reason);
  const controller = new AbortController();
  const silent = new ReadableStream({ pull: () => new Promise(() => {}) });
  const saving = saveAs(silent, "x", { signal: controller.signal });
  setTimeout(() => controller.abort(reason));
  await assert.rejects(saving, reason);
  assert.match(file.state, /removed/);
  const other = new AbortController();
  file = new FakeFile();
  /** @type {(file: FakeFile) => void} */ let choose = () => {};
  dialog(() => new Promise((resolve) => { choose = resolve; }));
  const asking = saveAs(new MemoryDisk(5).device, "x", { signal: other.signal });
  setTimeout(() => other.abort(reason));
  await assert.rejects(asking, reason);
  choose(file);
  for (const deadline = Date.now() + 10_000; !file.state.includes("removed");) {
    assert.ok(Date.now() < deadline);
    await new Promise((resolve) => setTimeout(resolve));
  }
});

test("the user who closes the dialog has given up", async () => {
  dialog(async () => { throw new DOMException("no", "AbortError"); });
  const { stream, state } = streamOf([new Uint8Array(5)]);
  await assert.rejects(saveAs(stream, "x"), { name: "AbortError" });
  assert.ok(state.cancelled);
});

/** What a browser does with a frame whose URL is a download. */
function frames() {
  /** @type {Promise<Response>[]} */ const asked = [];
  const frame = { set src(/** @type {string} */ url) { asked.push(/** @type {Promise<Response>} */ (site.fetch(url, { destination: "iframe" }))); }, remove() { frame.removed = true; }, removed: false };
  Object.assign(document, { createElement: () => frame, body: { append: () => {} } });
  return { asked, frame };
}

test("without a dialog it is a download, of the length that is known", async () => {
  for (const refusal of [undefined, async () => { throw new DOMException("no click", "SecurityError"); }]) {
    dialog(refusal);
    const disk = new MemoryDisk(size);
    const { asked, frame } = frames();
    const saving = saveAs(disk.device, "Größe.img", { script: "/sw.js" });
    while (asked.length === 0) await new Promise((resolve) => setTimeout(resolve));
    const response = await asked[0];
    assert.equal(response.headers.get("content-disposition"), `attachment; filename="Gr__e.img"; filename*=UTF-8''Gr%C3%B6%C3%9Fe.img`);
    assert.deepEqual([response.headers.get("content-length"), response.headers.get("content-type")], [`${size}`, "application/octet-stream"]);
    assert.ok(Buffer.from(await response.arrayBuffer()).equals(disk.bytes));
    await saving;
    assert.ok(!frame.removed, "a small file is taken before the download has begun");
    passTime();
    assert.ok(frame.removed);
  }
});

test("a download of a stream ends when the browser has all of it; one that fails breaks", async () => {
  dialog(undefined);
  for (const [chunks, end] of /** @type {[Uint8Array[], Error | undefined][]} */ ([[[new Uint8Array(5), new Uint8Array(7)], undefined], [[], undefined], [[new Uint8Array(5)], new Error("broken")]])) {
    const { asked } = frames();
    const saving = saveAs(streamOf(chunks, end).stream, "x", { script: "/sw.js" });
    saving.catch(() => {});
    while (asked.length === 0) await new Promise((resolve) => setTimeout(resolve));
    const response = await asked[0];
    assert.equal(response.headers.get("content-length"), null);
    if (end) {
      await assert.rejects(response.arrayBuffer());
      await assert.rejects(saving, end);
    } else {
      assert.equal((await response.arrayBuffer()).byteLength, chunks.reduce((sum, { length }) => sum + length, 0));
      await saving;
    }
  }
});

test("a download that is cancelled in the browser is an AbortError", async () => {
  dialog(undefined);
  const { asked } = frames();
  const saving = saveAs(new MemoryDisk(size).device, "x", { script: "/sw.js" });
  saving.catch(() => {});
  while (asked.length === 0) await new Promise((resolve) => setTimeout(resolve));
  await (await asked[0]).body?.cancel();
  await assert.rejects(saving, { name: "AbortError", message: /cancelled in the browser/ });
});

test("what can't be meant is refused", async () => {
  /** @type {[any, any, any, RegExp][]} */
  const table = [[{}, "x", {}, /device, or a ReadableStream/], [new MemoryDisk(5).device, 5, {}, /name/], [new MemoryDisk(5).device, "x", { sript: "" }, /Unknown option sript/]];
  for (const [source, name, options, message] of table) await assert.rejects(saveAs(source, name, options), message);
});
