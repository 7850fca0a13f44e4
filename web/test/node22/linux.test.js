// Linux in V86 in Node 22, with a disk of nbdkit, with TLS through the bridge.
import assert from "node:assert/strict";
import { copyFile, readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { open } from "nbdbridge";
import { v86Disk } from "nbdbridge/v86";
import { Lab } from "../browser/lab.js";
import { missingPackages } from "../browser/needs.js";
import { Guest } from "../guest/grub.js";
import { Shell, buildLinuxDisk, linuxMemory, missingForLinux } from "../guest/linux.js";

/** The most requests of a boot with the cache as it is by default. */
const bootRequests = 60;

describe("Linux in Node", { skip: missingPackages(await missingForLinux()) }, () => {
  /** @type {Lab} */ let lab;
  /** @type {Awaited<ReturnType<Lab["pki"]>>} */ let pki;
  let original = "";
  before(async () => {
    lab = await Lab.create();
    pki = await lab.pki("pki");
    original = await buildLinuxDisk(join(lab.dir, "linux.img"));
  });
  after(() => lab.close());

  /** A copy of the disk, served and open. @param {string} name @param {boolean} readOnly */
  async function connect(name, readOnly) {
    const file = join(lab.dir, `${name}.img`);
    await copyFile(original, file);
    const bridge = await lab.bridge({ linux: (await lab.nbdkit(file, pki)).target });
    const tls = { ca: pki.ca, serverName: pki.serverName, cert: pki.cert, key: pki.key };
    return { file, device: await open(bridge.url("linux"), { tls, readOnly }) };
  }

  test("boots in few requests, reads what is on its disk and leaves the export as it is", async () => {
    const { file, device } = await connect("overlay", true);
    const disk = v86Disk(device);
    const guest = await Guest.start("v86", { hda: disk, memory_size: linuxMemory });
    disk.attach(guest.emulator);
    const shell = new Shell(guest);
    await shell.ready();
    const { requests } = device.stats();
    assert.ok(requests > 0 && requests <= bootRequests, `${requests} requests`);
    assert.deepEqual(await shell.run("sha256sum -c test.sha256"), { output: "test.bin: OK\n", status: 0 });
    assert.deepEqual(await shell.run("echo kept >note; sync; false"), { output: "", status: 1 });
    guest.type("reboot");
    await shell.ready();
    assert.equal((await shell.run("cat note")).output, "kept\n");
    assert.deepEqual(await shell.run("dmesg | grep -i 'i/o error'"), { output: "", status: 1 });
    await guest.emulator.destroy();
    await disk.close();
    assert.ok((await readFile(file)).equals(await readFile(original)));
  });

  test("through: what was written is in the server's file after poweroff", async () => {
    const { file, device } = await connect("through", false);
    const disk = v86Disk(device, { writes: "through" });
    const guest = await Guest.start("v86", { hda: disk, memory_size: linuxMemory });
    disk.attach(guest.emulator);
    const shell = new Shell(guest);
    await shell.ready();
    await shell.run("echo written by a guest >note");
    guest.type("poweroff");
    await guest.until("System halted");
    assert.ok((await readFile(file)).includes("written by a guest\n"));
    await guest.emulator.destroy();
    await disk.close();
  });
});
