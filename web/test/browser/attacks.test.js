// Pages that attack a bridge: of another site, of a name that was pointed at
// the bridge, and with tickets that are not theirs or not for this.
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { ask, blankSite, knock } from "./attacker.js";
import { inEachBrowser } from "./browsers.js";
import { Lab, pattern } from "./lab.js";
import { freePort } from "./processes.js";
import { record } from "./recorder.js";
import { Mint, expired } from "./tickets.js";

/** @typedef {import("./attacker.js").Knock} Knock */

/** Runs in the page: opens a disk with a ticket and reads. */
async function attempt(/** @type {any} */ { url, options }) {
  const { open } = await import(/** @type {any} */ ("/client/index.js"));
  try {
    const disk = await open(url, options);
    const bytes = [...await disk.read(4093, 16)];
    await disk.close();
    return { code: "opened", message: "", bytes };
  } catch (error) {
    const { code, message } = /** @type {any} */ (error);
    return { code, message, bytes: [] };
  }
}

inEachBrowser("attacks", ({ page: openPage }) => {
  /** @type {Lab} */ let lab;
  /** @type {Awaited<ReturnType<typeof record>>} the only way to the bridge */ let front;
  /** @type {Awaited<ReturnType<typeof record>>} the only way to the server */ let server;
  /** @type {Awaited<ReturnType<typeof blankSite>>} */ let site;
  /** @type {Mint} */ let mint;
  /** @type {Record<string, any>} */ let tls;
  /** @type {import("puppeteer-core").Page} of an origin that is allowed */ let page;
  /** @type {Awaited<ReturnType<Lab["configuredBridge"]>>} */ let bridge;
  let inner = 0;

  before(async () => {
    lab = await Lab.create();
    const pki = await lab.pki("pki");
    tls = { ca: pki.ca, serverName: pki.serverName, cert: pki.cert, key: pki.key };
    server = await record({ host: "127.0.0.1", port: (await lab.nbdkit(await lab.disk("disk.img"), pki)).port });
    site = await blankSite();
    inner = await freePort();
    front = await record({ host: "127.0.0.1", port: inner });
    const url = `http://127.0.0.1:${front.port}`;
    mint = new Mint(url);
    const keys = join(lab.dir, "tickets.pem");
    await writeFile(keys, mint.publicKey);
    const address = `tcp://127.0.0.1:${server.port}`;
    bridge = await lab.configuredBridge({ host: "127.0.0.1", port: inner }, [
      `listen: 127.0.0.1:${inner}`, `publicURL: ${url}`, "ui: true",
      `auth: {tickets: {keys: ${keys}, audience: "${url}", once: true}}`,
      `targets: {lab: {address: "${address}"}, other: {address: "${address}"}}`, ""].join("\n"));
    page = await openPage(`${url}/demo/`);
  });
  after(async () => {
    site?.close();
    await Promise.all([front?.close(), server?.close()]);
    await lab.close();
  });

  /**
   * Knocks from a page, and fails if the server heard of it.
   * @param {string} target @param {string} [ticket]
   * @param {import("puppeteer-core").Page} from
   */
  async function refused(target, ticket, from = page) {
    const dialled = server.streams().length;
    const protocols = ticket ? ["nbd", `bearer.${ticket}`] : ["nbd"];
    const seen = await from.evaluate(knock, { url: `ws://127.0.0.1:${front.port}/nbd/${target}`, protocols });
    assert.deepEqual([seen.bytes, server.streams().length], [0, dialled], `the server was dialled: ${JSON.stringify(seen)}`);
    return { code: seen.code, reason: seen.reason };
  }

  /** A knock that is let in, without which the refusals would prove nothing. */
  async function admitted(/** @type {string} */ ticket) {
    const seen = await page.evaluate(knock, { url: `ws://127.0.0.1:${front.port}/nbd/lab`, protocols: ["nbd", `bearer.${ticket}`] });
    assert.ok(seen.bytes > 0, JSON.stringify(seen));
  }

  test("a page opens a disk with a ticket", async () => {
    const result = await page.evaluate(attempt, { url: `ws://127.0.0.1:${front.port}/nbd/lab`, options: { tls, token: mint.ticket() } });
    assert.deepEqual([result.code, result.bytes], ["opened", [...pattern(4093, 16)]], result.message);
  });

  test("a page without a ticket is told to get one", async () => {
    const result = await page.evaluate(attempt, { url: `ws://127.0.0.1:${front.port}/nbd/lab`, options: { tls } });
    assert.equal(result.code, "UNAUTHORISED");
    assert.match(result.message, /ticket/);
  });

  test("a page of another site is refused, whatever its ticket", async () => {
    const evil = await openPage(`http://evil.example:${site.port}/`);
    const ticket = mint.ticket();
    assert.equal((await refused("lab", ticket, evil)).code, 4003);
    assert.equal((await refused("nowhere", undefined, evil)).code, 4003);
    await evil.close();
    await admitted(ticket); // it was good, and is not used up
  });

  test("a name that was pointed at the bridge gets nothing", async (t) => {
    // The page stays, and its name leads elsewhere: browsers see no difference.
    const leads = { host: "127.0.0.1", port: site.port };
    const name = await record(leads);
    t.after(() => name.close());
    const rebound = await openPage(`http://evil.example:${name.port}/`);
    leads.port = inner;
    name.drop();
    const dialled = server.streams().length;
    const seen = await rebound.evaluate(knock, { url: `ws://evil.example:${name.port}/nbd/lab`, protocols: ["nbd", `bearer.${mint.ticket()}`] });
    assert.deepEqual([seen.opened, seen.bytes, server.streams().length], [false, 0, dialled], JSON.stringify(seen));
    for (const path of ["/", "/demo/", "/client/index.js", "/nbd/lab"]) {
      assert.equal((await rebound.evaluate(ask, { url: path })).status, 421, path);
    }
    await rebound.close();
  });

  test("a stolen ticket is refused once it was used", async () => {
    const ticket = mint.ticket();
    await admitted(ticket);
    const thief = await openPage(`http://127.0.0.1:${front.port}/demo/`);
    assert.equal((await refused("lab", ticket, thief)).code, 4001);
    assert.equal((await refused("lab", ticket)).code, 4001);
    await thief.close();
  });

  test("a ticket for another target and a target that is not there look alike", async () => {
    const elsewhere = await refused("other", mint.ticket());
    assert.equal(elsewhere.code, 4004);
    assert.deepEqual(await refused("nowhere", mint.ticket()), elsewhere);
    assert.deepEqual(await refused("nowhere", mint.ticket({ targets: ["nowhere"] })), elsewhere);
  });

  test("a ticket that was refused for a target is not used up", async () => {
    const ticket = mint.ticket();
    await refused("other", ticket);
    await admitted(ticket);
  });

  test("bad tickets look alike, whether or not the target is there", async () => {
    const stranger = new Mint(mint.audience);
    const cases = {
      none: undefined,
      expired: mint.ticket(expired()),
      "for another bridge": mint.ticket({ aud: "https://other.example" }),
      "for no bridge": mint.ticket({ aud: undefined }),
      "of a stranger": stranger.ticket(),
      unsigned: mint.unsigned(),
      "signed with the public key": mint.confused(),
      "without an end": mint.ticket({ exp: undefined }),
      "without targets": mint.ticket({ targets: undefined }),
      "no ticket at all": "x.y.z",
    };
    const first = await refused("lab");
    assert.equal(first.code, 4001);
    for (const [name, ticket] of Object.entries(cases)) {
      for (const target of ["lab", "nowhere"]) assert.deepEqual(await refused(target, ticket), first, `${name}, for ${target}`);
    }
  });

  test("a ticket without an ID can't be used once, so it is refused", async () => {
    const ticket = mint.ticket({ jti: undefined });
    assert.equal((await refused("lab", ticket)).code, 4001);
    assert.deepEqual(await refused("nowhere", ticket), await refused("other", ticket));
  });

  test("a cookie authenticates nobody", async () => {
    const ticket = mint.ticket();
    await page.evaluate((value) => {
      for (const name of ["token", "ticket", "bearer", "Authorization"]) document.cookie = `${name}=${value}; path=/`;
    }, ticket);
    assert.equal((await refused("lab")).code, 4001);
    const sent = front.streams().some((bytes) => /^GET \/nbd\/lab/.test(bytes.toString("latin1")) && bytes.includes(`token=${ticket}`));
    assert.ok(sent, "the browser sent the cookie");
    await admitted(ticket);
  });

  test("no ticket is in the log, nor sent back", async () => {
    const ticket = mint.ticket();
    await admitted(ticket);
    assert.equal((await refused("lab", ticket)).code, 4001);
    for (const secret of ticket.split(".").slice(1)) {
      assert.ok(!bridge.output().includes(secret), "the log shows a ticket");
      const back = front.streams().filter((bytes) => bytes.toString("latin1", 0, 5) === "HTTP/");
      assert.ok(back.length > 0 && !back.some((bytes) => bytes.includes(secret)), "the bridge sent a ticket back");
    }
  });
}, { names: ["evil.example"] });
