// V86 in a page, with a disk of nbdkit, with TLS through the bridge.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { bios, buildGrubDisk, greeting, missingForGrub, wasmOf } from "../guest/grub.js";
import { inEachBrowser, until } from "./browsers.js";
import { Lab } from "./lab.js";
import { missingPackages } from "./needs.js";
import { freePort } from "./processes.js";
import { serveFolder } from "./site.js";

/** Runs in the page: boots, and keeps what the guest says. */
async function boot(/** @type {any} */ { url, tls, options, autostart = true }) {
  const [{ open }, { v86Disk }, { V86 }] = await Promise.all(["/client/index.js", "/client/v86/index.js", "/v86/libv86.mjs"].map((file) => import(file)));
  const disk = v86Disk(await open(url, { tls, readOnly: false }), options);
  const emulator = new V86({
    wasm_path: "/v86/v86.wasm", bios: { url: "/bios/bios.bin" }, vga_bios: { url: "/bios/vgabios-stdvga.bin" },
    memory_size: 32 << 20, vga_memory_size: 2 << 20, disable_keyboard: true, disable_mouse: true, disable_speaker: true,
    hda: disk, autostart,
  });
  disk.attach(emulator);
  const guest = { disk, emulator, loaded: false, said: "", told: /** @type {string[]} */ ([]) };
  emulator.add_listener("emulator-loaded", () => { guest.loaded = true; });
  for (const type of ["stalled", "resumed", "error"]) disk.on(type, () => guest.told.push(type));
  emulator.add_listener("serial0-output-byte", (/** @type {number} */ byte) => { guest.said += String.fromCharCode(byte); });
  Object.assign(globalThis, { guest });
}

/** Runs in the page: waits until the guest has said something, and answers. */
async function converse(/** @type {string} */ text, /** @type {string} */ answer) {
  const { guest } = /** @type {any} */ (globalThis);
  for (const deadline = Date.now() + 30_000; !guest.said.includes(text); ) {
    if (Date.now() > deadline) throw new Error(`the guest does not say "${text}" but: ${guest.said}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  guest.emulator.serial0_send(answer);
}

const skip = missingPackages(await missingForGrub());

inEachBrowser("V86", ({ page: openPage, name: browser }) => {
  /** @type {Lab} */ let lab;
  /** @type {Awaited<ReturnType<typeof serveFolder>>} */ let site;
  before(async () => {
    lab = await Lab.create();
    const client = new URL("../../client", import.meta.url).pathname;
    site = await serveFolder({ client, v86: dirname(wasmOf("v86")), bios: dirname(bios.bios) }, { pages: { "/": { body: "<!doctype html><title>site</title>" } } });
  });
  after(async () => {
    await site.close();
    await lab.close();
  });

  for (const writes of ["overlay", "through"]) {
    test(`boots GRUB, which reads and writes its disk: ${writes}`, { skip }, async () => {
      const file = await buildGrubDisk(join(lab.dir, `${browser}-${writes}.img`));
      const before = await readFile(file);
      const pki = await lab.pki(`${browser}-${writes}`);
      const tls = { ca: pki.ca, serverName: pki.serverName, cert: pki.cert, key: pki.key };
      const bridge = await lab.bridge({ grub: (await lab.nbdkit(file, pki)).target }, "--origin", site.origin);
      const page = await openPage(site.origin);
      await page.evaluate(boot, { url: bridge.url("grub"), tls, options: { writes } });
      await page.evaluate(converse, greeting, "");
      await page.evaluate(converse, "word?", "abc\r");
      await page.evaluate(converse, "saved: abc.", "\r");
      await page.evaluate(converse, "remembered: abc.", ""); // it has booted again
      await page.evaluate(async () => {
        const { guest } = /** @type {any} */ (globalThis);
        await guest.emulator.destroy();
        await guest.disk.close();
      });
      await page.close();
      const now = await readFile(file);
      assert.equal(now.includes("word=abc\n"), writes === "through");
      assert.equal(now.equals(before), writes === "overlay");
    });
  }

  test("a bridge that is killed stops the machine until there is another one", { skip }, async () => {
    const file = await buildGrubDisk(join(lab.dir, `${browser}-killed.img`));
    const pki = await lab.pki(`${browser}-killed`);
    const tls = { ca: pki.ca, serverName: pki.serverName, cert: pki.cert, key: pki.key };
    const port = await freePort();
    const { target } = await lab.nbdkit(file, pki);
    const start = () => lab.configuredBridge({ host: "127.0.0.1", port }, `listen: 127.0.0.1:${port}\norigins: ["${site.origin}"]\ntargets: {grub: {address: "${target}"}}\n`);
    const bridge = await start();
    const page = await openPage(site.origin);
    await page.evaluate(boot, { url: `ws://127.0.0.1:${port}/nbd/grub`, tls, options: { cache: false, stallAfter: 500 }, autostart: false });
    await until(page, () => /** @type {any} */ (globalThis).guest.loaded);
    await bridge.kill();
    await page.evaluate(() => /** @type {any} */ (globalThis).guest.emulator.run());
    await until(page, () => /** @type {any} */ (globalThis).guest.told[0] && !/** @type {any} */ (globalThis).guest.emulator.is_running());
    await start();
    await page.evaluate(converse, greeting, "");
    assert.deepEqual(await page.evaluate(() => /** @type {any} */ (globalThis).guest.told), ["stalled", "resumed"]);
    await page.close();
  });
});
