// Calls that wait for XMLHttpRequests, which Node has not: a fake answers, and
// the browser tests have the real one.
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { openSync } from "../../client/sync/index.js";

const url = "http://x.test/disk.img";
const content = Uint8Array.from({ length: (1 << 20) + 500 }, (_, i) => i * 13);

/** @typedef {{status: number, headers?: Record<string, string>, body?: Uint8Array | string}} Answer */
/** @typedef {{method: string, range?: string, match?: string, timeout: number}} Asked */

/** @type {Asked[]} */ let asked = [];
/** @type {(asked: Asked) => Answer} */ let answer;

/** What a server of files answers. @param {Asked} asked @returns {Answer} */
function serve({ method, range = "" }) {
  if (method === "HEAD") return { status: 200, headers: { "Accept-Ranges": "bytes", "Content-Length": `${content.length}`, ETag: '"e"' } };
  const [, first, last] = (/^bytes=(\d+)-(\d+)$/.exec(range) ?? []).map(Number);
  return { status: 206, headers: { "Content-Range": `bytes ${first}-${last}/${content.length}` }, body: content.slice(first, last + 1) };
}

class FakeRequest {
  timeout = 0;
  /** @type {Record<string, string>} */ fields = {};
  /** @param {string} method @param {string} at @param {boolean} async */
  open(method, at, async) {
    assert.deepEqual([at, async], [url, false]);
    this.method = method;
  }
  /** @param {string} name @param {string} value */
  setRequestHeader(name, value) { this.fields[name] = value; }
  send() {
    const question = { method: String(this.method), range: this.fields.Range, match: this.fields["If-Match"], timeout: this.timeout };
    asked.push(question);
    const { status, headers = {}, body = "" } = answer(question);
    Object.assign(this, { status, headers, response: (typeof body === "string" ? new TextEncoder().encode(body) : body).slice().buffer });
  }
  /** @param {string} name */
  getResponseHeader(name) { return /** @type {any} */ (this).headers[name] ?? null; }
}

before(() => { /** @type {any} */ (globalThis).XMLHttpRequest = FakeRequest; });
after(() => { Reflect.deleteProperty(globalThis, "XMLHttpRequest"); });
beforeEach(() => { [answer, asked] = [serve, []]; });

test("reads ranges of a URL, of one thing only", async () => {
  const sync = await openSync({ url: new URL(url) }, { timeout: 1234 });
  assert.deepEqual([sync.size, sync.readOnly], [content.length, true]);
  const into = new Uint8Array(content.length);
  assert.equal(sync.readSync(into, 10), content.length - 10);
  assert.ok(Buffer.from(into.subarray(0, -10)).equals(content.subarray(10)));
  assert.equal(sync.readSync(into, content.length), 0);
  assert.deepEqual(asked, [
    { method: "HEAD", range: undefined, match: undefined, timeout: 1234 },
    { method: "GET", range: "bytes=10-1048585", match: '"e"', timeout: 1234 },
    { method: "GET", range: "bytes=1048586-1049075", match: '"e"', timeout: 1234 },
  ]);
  sync.flushSync();
  assert.throws(() => sync.writeSync(into.subarray(0, 1), 0), { code: "READ_ONLY" });
  assert.throws(() => sync.trimSync(0, 1), { code: "READ_ONLY" });
  sync.close();
  assert.throws(() => sync.readSync(into, 0), { code: "CLOSED" });
  assert.equal(asked.length, 3);
});

test("a weak ETag matches nothing, so it is not sent", async () => {
  answer = (question) => {
    const said = serve(question);
    return { ...said, headers: { ...said.headers, ETag: 'W/"e"' } };
  };
  const sync = await openSync({ url });
  sync.readSync(new Uint8Array(4), 0);
  assert.equal(asked[1].match, undefined);
});

test("what does not serve ranges can't be opened", async () => {
  /** @type {[Answer, RegExp][]} */
  const table = [
    [{ status: 404 }, /answered 404\. /],
    [{ status: 200, headers: { "Content-Length": "5" } }, /does not serve ranges/],
    [{ status: 200, headers: { "Accept-Ranges": "bytes" } }, /does not serve ranges/],
  ];
  for (const [said, message] of table) {
    answer = () => said;
    await assert.rejects(openSync({ url }), { code: "EIO", message });
  }
});

test("answers that are not what was asked for are failures", async () => {
  const sync = await openSync({ url });
  const good = { "Content-Range": `bytes 0-3/${content.length}` };
  /** @type {[Answer, string, RegExp][]} */
  const table = [
    [{ status: 206, headers: { "Content-Range": "bytes 0-3/7" }, body: "abcd" }, "EIO", /"bytes 0-3\/7"/],
    [{ status: 206, headers: { "Content-Range": `bytes 1-4/${content.length}` }, body: "abcd" }, "EIO", /"bytes 1-4/],
    [{ status: 206, headers: good, body: "abc" }, "EIO", /and 3 bytes/],
    [{ status: 206, body: "abcd" }, "EIO", /"null"/],
    [{ status: 200, headers: good, body: "abcd" }, "EIO", /answered 200/],
    [{ status: 412 }, "IDENTITY", /another device/],
    [{ status: 404, body: "The page has gone." }, "EIO", /answered 404 \(The page has gone\)\. /],
    [{ status: 502, body: "ENOMEM: The server has none." }, "ENOMEM", /^The server has none\.$/],
    [{ status: 502, body: `NONSENSE: ${"x".repeat(1000)}` }, "EIO", /^.{500,700}$/],
  ];
  for (const [said, code, message] of table) {
    answer = () => said;
    assert.throws(() => sync.readSync(new Uint8Array(4), 0), { code, message });
  }
  for (const [name, code] of [["TimeoutError", "TIMEOUT"], ["NetworkError", "DISCONNECTED"]]) {
    answer = () => { throw new DOMException("no", name); };
    assert.throws(() => sync.readSync(new Uint8Array(4), 0), { code });
  }
  answer = serve;
  assert.equal(sync.readSync(new Uint8Array(4), 0), 4);
});
