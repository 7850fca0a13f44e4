// The WASM program of an acquisition, as a fake Worker answers for it: it reads
// from the begin to the end, and knows no holes and no failures.
import { createHash } from "node:crypto";
import { NbdError } from "../../client/errors.js";
import { ask, serve } from "../../client/evidence/ports.js";
import { deviceOf } from "../../client/handle.js";

const piece = 1 << 20;

/** @typedef {ReturnType<typeof ask>} Asked */

/** Answers for FakeWorker.serve. */
export function fakeAcquirer() {
  /** @type {import("../../client/device.js").Device} */ let device;
  /** @type {MessagePort[]} */ const ports = [];
  const own = (/** @type {MessagePort} */ port) => ports[ports.push(port) - 1];

  /** @param {Asked[]} takers @param {(done: number) => void} tell */
  async function read(takers, tell) {
    for (let at = 0; at < device.size; at += piece) {
      tell(at);
      const bytes = await device.read(at, Math.min(piece, device.size - at));
      await Promise.all(takers.map((taker) => taker.call("write", [bytes.slice()])));
    }
    tell(device.size);
  }

  /** @param {string[]} names @param {MessagePort[]} given */
  async function begun(names, given) {
    const hashes = given.map((port) => ask(own(port)));
    await Promise.all(hashes.map((hash, i) => hash.call("begin", [names[i]])));
    return hashes;
  }

  const sums = async (/** @type {string[]} */ names, /** @type {Asked[]} */ hashes) => Object.fromEntries(await Promise.all(
    hashes.map(async (hash, i) => [names[i], Buffer.from(await hash.call("sum", [])).toString("hex")])));

  const progress = (/** @type {Asked} */ page) => (/** @type {number} */ done) => page.tell("progress", [{ done, total: device.size, skipped: 0, lost: 0, errors: 0, recovering: false }]);

  return {
    start: () => undefined,
    async attach(/** @type {MessagePort} */ handle) { device = await deviceOf(handle); },
    async detach() {
      await device?.close();
      for (const port of ports) port.close();
    },
    async acquire(/** @type {MessagePort} */ port, /** @type {MessagePort[]} */ given, /** @type {string} */ json) {
      const page = ask(own(port));
      const { format, settings, facts, from } = JSON.parse(json);
      const hashes = await begun(settings.hashes, given);
      await page.call("cut", [from?.image.file ?? 0]);
      await read([page, ...hashes], progress(page));
      await page.call("sync", []);
      const outages = JSON.parse(await page.call("outages", []));
      const log = {
        schema: "nbdbridge/acquisition/1", ...facts, image: { ...facts.image, format, size: device.size }, settings, status: "complete",
        sessions: [{ from: 0, to: device.size, ended: "complete", outages }], errors: [], zeroFilled: [], hashes: await sums(settings.hashes, hashes),
      };
      await page.call("state", [JSON.stringify({ offset: device.size, image: { format, disk: device.size, file: device.size }, hashes: {}, log })]);
      return JSON.stringify(log);
    },
    async pass(/** @type {MessagePort} */ port, /** @type {MessagePort[]} */ given, /** @type {string} */ json) {
      const { hashes: names } = JSON.parse(json);
      const hashes = await begun(names, given);
      await read(hashes, progress(ask(own(port))));
      return JSON.stringify(await sums(names, hashes));
    },
    text(/** @type {string} */ json) {
      const { schema, status } = JSON.parse(json);
      if (!schema) throw new NbdError("INVALID_ARGUMENT", "this is no log");
      return `Log of an acquisition\n${status}`;
    },
    openImage: () => device.size,
    readImage: (/** @type {number} */ offset, /** @type {number} */ length) => device.read(offset, length),
    hash(/** @type {MessagePort} */ port) {
      /** @type {import("node:crypto").Hash} */ let hash;
      serve(own(port), {
        begin: (name) => void (hash = createHash(name)),
        write: (bytes) => void hash.update(bytes),
        sum: () => new Uint8Array(hash.copy().digest()),
      });
      return new Promise(() => {}); // for as long as the Worker lives
    },
  };
}
