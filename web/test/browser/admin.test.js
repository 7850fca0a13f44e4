// Pages that try the operator's listener. What it answers to them is read off
// the wire: browsers keep it from most pages anyway.
import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import { after, before, test } from "node:test";
import { ask, blankSite, knock } from "./attacker.js";
import { inEachBrowser } from "./browsers.js";
import { Lab } from "./lab.js";
import { freePort } from "./processes.js";
import { record } from "./recorder.js";

/** Asks as the operator's tools do: nothing about pages in the headers. */
async function operator(/** @type {string} */ method, /** @type {string} */ url) {
  const request = http.request(url, { method, agent: false }).end();
  const [answer] = /** @type {[http.IncomingMessage]} */ (await once(request, "response"));
  return { status: answer.statusCode, text: (await answer.toArray()).join("") };
}

/** The status lines that a recorded listener has sent so far. */
function statuses(/** @type {Awaited<ReturnType<typeof record>>} */ recorder) {
  return recorder.streams().flatMap((bytes) => bytes.toString("latin1").match(/^HTTP\/1\.1 \d+/gm) ?? []).map((line) => Number(line.slice(9)));
}

inEachBrowser("the admin listener", ({ page: openPage }) => {
  /** @type {Lab} */ let lab;
  /** @type {Awaited<ReturnType<typeof record>>} */ let admin;
  /** @type {Awaited<ReturnType<typeof blankSite>>} */ let site;
  /** @type {import("puppeteer-core").Page} with a disk open */ let page;
  let [inner, url] = [0, ""];

  before(async () => {
    lab = await Lab.create();
    const [server, port] = [await lab.nbdkit(await lab.disk("disk.img")), await freePort()];
    inner = await freePort();
    site = await blankSite();
    admin = await record({ host: "127.0.0.1", port: inner });
    url = `http://127.0.0.1:${admin.port}`;
    await lab.configuredBridge({ host: "127.0.0.1", port }, [
      `listen: 127.0.0.1:${port}`, "ui: true", `targets: {lab: {address: "${server.target}"}}`,
      `admin: {listen: "127.0.0.1:${inner}", hosts: ["127.0.0.1:${admin.port}"], pprof: true}`, ""].join("\n"));
    page = await openPage(`http://127.0.0.1:${port}/demo/`);
    await page.evaluate(async (url) => {
      const { open } = await import(/** @type {any} */ ("/client/index.js"));
      /** @type {any} */ (globalThis).disk = await open(url, { tls: { mode: "off" } });
    }, `ws://127.0.0.1:${port}/nbd/lab`);
  });
  after(async () => {
    site?.close();
    await admin?.close();
    await lab.close();
  });

  const reads = () => page.evaluate(async () => (await /** @type {any} */ (globalThis).disk.read(0, 512)).length);
  const session = async () => JSON.parse((await operator("GET", `${url}/sessions`)).text)[0].id;

  for (const [name, host] of [["of another site", "evil.example"], ["of this machine", "127.0.0.1"]]) {
    test(`a page ${name} is refused`, async () => {
      const [evil, id] = [await openPage(`http://${host}:${site.port}/`), await session()];
      const before = statuses(admin).length;
      const [read, blind] = [/** @type {RequestInit} */ ({}), /** @type {RequestInit} */ ({ mode: "no-cors" })];
      for (const path of ["/metrics", "/sessions", "/healthz", "/debug/pprof/heap"]) {
        for (const init of [read, blind]) {
          assert.equal((await evil.evaluate(ask, { url: url + path, init })).text, "", path);
        }
      }
      for (const init of [read, blind]) {
        await evil.evaluate(ask, { url: `${url}/sessions/${id}/end`, init: { ...init, method: "POST" } });
      }
      const seen = await evil.evaluate(knock, { url: `${url.replace("http", "ws")}/nbd/lab` });
      assert.equal(seen.opened, false);
      await evil.close();
      const answers = statuses(admin).slice(before);
      assert.ok(answers.length >= 10 && answers.every((status) => status === 403), `answers: ${answers}`);
      assert.equal(await reads(), 512, "the session goes on");
    });
  }

  test("a name that was pointed at it is refused", async (t) => {
    const leads = { host: "127.0.0.1", port: site.port };
    const name = await record(leads);
    t.after(() => name.close());
    const [rebound, id] = [await openPage(`http://evil.example:${name.port}/`), await session()];
    leads.port = inner;
    name.drop();
    for (const path of ["/metrics", "/sessions", "/debug/pprof/heap"]) {
      const answer = await rebound.evaluate(ask, { url: path });
      assert.ok([403, 421].includes(answer.status) && !/nbd_|target|heap profile/.test(answer.text), `${path}: ${answer.status} ${answer.text}`);
    }
    assert.equal((await rebound.evaluate(ask, { url: `/sessions/${id}/end`, init: { method: "POST" } })).status, 403);
    await rebound.close();
    assert.equal(await reads(), 512, "the session goes on");
  });

  test("the operator's tools may do all of it", async () => {
    assert.match((await operator("GET", `${url}/metrics`)).text, /target="lab"/);
    assert.equal((await operator("POST", `${url}/sessions/${await session()}/end`)).status, 204);
    const code = await page.evaluate(async () => (await /** @type {any} */ (globalThis).disk.closed)?.code);
    assert.equal(code, "ENDED_BY_OPERATOR");
  });
}, { names: ["evil.example"] });
