// V86 in Node 22 with disks of nbdkit, with TLS through the bridge.
import assert from "node:assert/strict";
import { copyFile, readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { open } from "nbdbridge";
import { saveState, setCdrom, v86Disk } from "nbdbridge/v86";
import { Lab } from "../browser/lab.js";
import { missingPackages } from "../browser/needs.js";
import { Guest, buildGrubCd, buildGrubDisk, greeting, greetingOfCd, missingForGrub } from "../guest/grub.js";

/** Packages of V86: the newest one tried, and one whose disks have fewer methods. */
const versions = process.env.V86 ? [process.env.V86] : ["v86", "v86-old"];

for (const version of versions) {
  describe(`${version} in Node`, { skip: missingPackages(await missingForGrub()) }, () => {
    /** @type {Lab} */ let lab;
    /** @type {import("nbdbridge").TlsOptions} */ let tls;
    /** @type {Awaited<ReturnType<Lab["pki"]>>} */ let pki;
    let original = "";

    before(async () => {
      lab = await Lab.create();
      pki = await lab.pki("pki");
      tls = { ca: pki.ca, serverName: pki.serverName, cert: pki.cert, key: pki.key };
      original = await buildGrubDisk(join(lab.dir, "grub.img"));
    });
    after(() => lab.close());

    /** A copy of a disk, served. @param {string} name @param {string} [image] */
    async function serve(name, image = original) {
      const file = join(lab.dir, `${name}.img`);
      await copyFile(image, file);
      const bridge = await lab.bridge({ grub: (await lab.nbdkit(file, pki)).target });
      const connect = (/** @type {boolean} */ readOnly) => open(bridge.url("grub"), { tls, readOnly });
      return { file, bridge, connect };
    }

    /** Boots, and has GRUB write a word to its disk. @param {import("nbdbridge/v86").V86Disk} disk */
    async function bootAndWrite(disk) {
      const guest = await Guest.start(version, { hda: disk });
      disk.attach(guest.emulator);
      await guest.until(greeting);
      await guest.until("remembered: nothing.");
      await guest.until("word?");
      guest.type("abc");
      await guest.until("saved: abc.");
      return guest;
    }

    test("an overlay leaves the export as it is, and goes with a saved state into another emulator", async () => {
      const { file, connect } = await serve("overlay");
      const disk = v86Disk(await connect(true));
      const guest = await bootAndWrite(disk);
      const state = await saveState(guest.emulator, [disk]);
      await guest.emulator.destroy();
      await disk.close();
      assert.ok((await readFile(file)).equals(await readFile(original)));

      const next = v86Disk(await connect(true));
      const again = await Guest.start(version, { hda: next, autostart: false });
      await new Promise((resolve) => again.emulator.add_listener("emulator-loaded", () => resolve(undefined)));
      await again.emulator.restore_state(state);
      again.emulator.run();
      again.type(""); // it boots again
      await again.until("remembered: abc.");
      await again.emulator.destroy();
      await next.close();
    });

    test("through: a write is in the server's file when the guest says so", async () => {
      const { file, connect } = await serve("through");
      const disk = v86Disk(await connect(false), { writes: "through" });
      const guest = await bootAndWrite(disk);
      await disk.quiesce(); // BIOS does not wait for writes
      assert.ok((await readFile(file)).includes("word=abc\n"));
      await guest.emulator.destroy();
      await disk.close();
    });

    test("back: a write is in the server's file after a flush", async () => {
      const { file, connect } = await serve("back");
      const disk = v86Disk(await connect(false), { writes: "back" });
      const guest = await bootAndWrite(disk);
      await disk.flush();
      assert.ok((await readFile(file)).includes("word=abc\n"));
      guest.type("");
      await guest.until("remembered: abc.");
      await guest.emulator.destroy();
      await disk.close();
    });

    test("a stall stops the emulator, which goes on when it is over", async () => {
      const { bridge, connect } = await serve("stall");
      const disk = v86Disk(await connect(true), { cache: false, stallAfter: 500 });
      const guest = await Guest.start(version, { hda: disk, autostart: false });
      disk.attach(guest.emulator);
      await new Promise((resolve) => guest.emulator.add_listener("emulator-loaded", () => resolve(undefined)));
      bridge.child.kill("SIGSTOP");
      const stalled = new Promise((resolve) => disk.on("stalled", resolve));
      const resumed = new Promise((resolve) => disk.on("resumed", resolve));
      const stopped = new Promise((resolve) => guest.emulator.add_listener("emulator-stopped", () => resolve(undefined)));
      guest.emulator.run();
      await stalled;
      await stopped;
      bridge.child.kill("SIGCONT");
      await resumed;
      await guest.until(greeting);
      assert.equal(guest.emulator.is_running(), true);
      await guest.emulator.destroy();
      await disk.close();
    });

    test("a CD-ROM boots", async () => {
      const { connect } = await serve("cd", await buildGrubCd(join(lab.dir, "grub.iso")));
      const cdrom = v86Disk(await connect(true));
      const guest = await Guest.start(version, { cdrom });
      await guest.until(greetingOfCd);
      await guest.emulator.destroy();
      await cdrom.close();
    });

    test("a CD-ROM is changed and taken out while it runs", async () => {
      const { connect } = await serve("cdrom");
      const [disk, cdrom] = [v86Disk(await connect(true)), v86Disk(await connect(true))];
      const guest = await Guest.start(version, { hda: disk });
      await guest.until("word?");
      const drive = /** @type {any} */ (guest.emulator).v86.cpu.devices.cdrom;
      setCdrom(guest.emulator, cdrom);
      assert.deepEqual([drive.has_disk(), drive.sector_count], [true, cdrom.byteLength / 2048]);
      const state = await saveState(guest.emulator, [disk, cdrom]);
      setCdrom(guest.emulator, null);
      assert.equal(drive.has_disk(), false);
      assert.ok(state.byteLength > 0);
      await guest.emulator.destroy();
      await Promise.all([disk.close(), cdrom.close()]);
    });
  });
}
