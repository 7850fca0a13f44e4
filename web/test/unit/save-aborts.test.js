// Saves that are given up, with a page and a browser that are made up.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { saveAs } from "../../client/save/index.js";
import { FakeSite } from "./fake-service-worker.js";
import { passTime } from "./long-timers.js";
import { MemoryDisk, settled } from "./memory-disk.js";

// The page is one for all tests, as its name is.
const site = new FakeSite("/", "/app/index.html");
after(() => site.remove());

/** A dialog that gives a file when it is told to, and what becomes of the file. */
class FakeDialog {
  /** @type {string[]} */ log = [];
  /** @type {number[]} */ bytes = [];
  open = async () => {};

  /** @param {import("node:test").TestContext} t */
  constructor(t) {
    const ask = async () => {
      return { name: "x", createWritable: () => this.#stream(), getFile: async () => ({ size: 0 }), remove: async () => { this.log.push("remove"); } };
    };
    Object.assign(globalThis, { showSaveFilePicker: ask });
    t.after(() => Reflect.deleteProperty(globalThis, "showSaveFilePicker"));
  }

  async #stream() {
    await this.open();
    this.log.push("open");
    return {
      write: async (/** @type {Uint8Array} */ bytes) => { this.bytes.push(...structuredClone(bytes, { transfer: [bytes.buffer] })); },
      close: async () => { this.log.push("close"); },
      abort: async () => { this.log.push("abort"); },
    };
  }
}

/** What ends when it is told to. */
function held() {
  let go = () => {};
  const promise = /** @type {Promise<void>} */ (new Promise((resolve) => { go = resolve; }));
  return { promise, go };
}

const abortError = (/** @type {any} */ error) => error.name === "AbortError";

/** A stream, and how it ended. @param {...Uint8Array} chunks */
function streamOf(...chunks) {
  const state = { cancelled: false };
  const stream = new ReadableStream({
    pull: (sink) => chunks.length ? sink.enqueue(chunks.shift()) : sink.close(),
    cancel: () => { state.cancelled = true; },
  }, { highWaterMark: 0 });
  return { stream, state };
}

/** A browser that asks for what a frame shows. @param {import("node:test").TestContext} t */
function browser(t) {
  const state = { frames: 0, url: "", response: /** @type {Promise<Response> | undefined} */ (undefined) };
  const append = (/** @type {any} */ frame) => {
    state.frames++;
    state.url = frame.src;
    state.response = site.fetch(frame.src, { destination: "iframe" });
  };
  Object.assign(document, { createElement: () => ({ remove: () => { state.frames--; } }), body: { append } });
  t.after(() => { Reflect.deleteProperty(document, "body"); });
  return state;
}

/** Reads until the end of a body. @param {Response | undefined} response */
const bytesOf = async (response) => Buffer.from(await /** @type {Response} */ (response).arrayBuffer());

test("a download gets all, by a URL in the scope", async (t) => {
  for (const scope of ["https://site.example/", "https://site.example/files"]) {
    site.registration.scope = scope;
    t.after(() => { site.registration.scope = "https://site.example/"; });
    for (const source of [new MemoryDisk(5_000_000).device, streamOf(new Uint8Array(10), new Uint8Array(5)).stream, new MemoryDisk(0).device]) {
      const state = browser(t);
      const saving = saveAs(source, "x.img", { script: "/sw.js" });
      while (!state.response) await settled();
      const length = "size" in source ? source.size : 15;
      assert.equal((await bytesOf(await state.response)).length, length);
      await saving;
      passTime();
      assert.equal(state.frames, 0);
      assert.ok(state.url.startsWith(`${scope.replace(/\/$/, "")}/~nbd-`));
    }
  }
});

for (const what of ["a device", "a stream"]) {
  test(`${what}: an abort ends a download that the browser holds up, and fails it`, async (t) => {
    const [state, controller] = [browser(t), new AbortController()];
    const source = what === "a device" ? new MemoryDisk(20 << 20).device : streamOf(...Array.from({ length: 20 }, () => new Uint8Array(100))).stream;
    const saving = saveAs(source, "x.img", { script: "/sw.js", signal: controller.signal });
    while (!state.response) await settled();
    const reader = /** @type {ReadableStream<Uint8Array>} */ ((await state.response).body).getReader();
    await reader.read();
    for (let i = 0; i < 20; i++) await settled();
    controller.abort();
    await assert.rejects(saving, abortError);
    await assert.rejects(async () => { while (!(await reader.read()).done); });
    assert.equal(state.frames, 0);
  });
  test(`${what}: an abort while the browser wants more fails the download`, async (t) => {
    const [state, controller, stuck] = [browser(t), new AbortController(), held()];
    const disk = new MemoryDisk(20 << 20);
    disk.gate = ({ offset }) => offset ? stuck.promise : Promise.resolve();
    const stream = new ReadableStream({ start: (sink) => sink.enqueue(new Uint8Array(100)), pull: () => stuck.promise }, { highWaterMark: 0 });
    const saving = saveAs(what === "a device" ? disk.device : stream, "x.img", { script: "/sw.js", signal: controller.signal });
    while (!state.response) await settled();
    const all = bytesOf(await state.response);
    for (let i = 0; i < 20; i++) await settled();
    controller.abort();
    await assert.rejects(saving, abortError);
    await assert.rejects(all);
    stuck.go();
  });
}

test("an abort while the file is opened leaves nothing open", async (t) => {
  const [dialog, disk, controller] = [new FakeDialog(t), held(), new AbortController()];
  dialog.open = () => {
    controller.abort();
    setTimeout(disk.go);
    return disk.promise;
  };
  const saving = saveAs(new MemoryDisk(10).device, "x", { signal: controller.signal });
  await assert.rejects(saving, abortError);
  assert.deepEqual(dialog.log, ["open", "abort", "remove"]);
});

test("the chunks of a stream stay its own, also where they are Buffers", async (t) => {
  const dialog = new FakeDialog(t);
  const chunk = Buffer.from(new TextEncoder().encode("shared").buffer);
  await saveAs(streamOf(chunk).stream, "x");
  assert.equal(Buffer.from(dialog.bytes).toString(), "shared");
  assert.equal(chunk.toString(), "shared");
});

test("what can't be saved is refused", async () => {
  const { stream } = streamOf();
  stream.getReader();
  for (const source of [undefined, null, 5, "text", {}, stream]) {
    await assert.rejects(saveAs(/** @type {any} */ (source), "x"), { code: "INVALID_ARGUMENT" });
  }
});
