// How little of a large disk is read, over nbdkit and the bridge.
import assert from "node:assert/strict";
import { truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { open } from "nbdbridge";
import { inspect } from "nbdbridge/inspect";
import { Lab } from "../browser/lab.js";
import { missingPackages } from "../browser/needs.js";
import { run } from "../browser/processes.js";
import { missingForVolume } from "../volume.js";

const TiB = 2 ** 40;

describe("a sparse disk of 1 TiB", { skip: missingPackages(missingForVolume()) }, () => {
  /** @type {Lab} */ let lab;
  /** @type {Awaited<ReturnType<Lab["bridge"]>>} */ let bridge;
  /** @type {import("nbdbridge").TlsOptions} */ let tls;

  before(async () => {
    lab = await Lab.create();
    const pki = await lab.pki("pki");
    tls = { ca: pki.ca, serverName: pki.serverName, cert: pki.cert, key: pki.key };
    const file = join(lab.dir, "large.img");
    await writeFile(file, "");
    await truncate(file, TiB);
    await run("mke2fs", ["-q", "-F", "-t", "ext4", "-E", "lazy_itable_init=1,lazy_journal_init=1,nodiscard", file]);
    bridge = await lab.bridge({ large: (await lab.nbdkit(file, pki, "--readonly")).target });
  });
  after(() => lab.close());

  test("is opened, and its root listed, with less than 60 requests", async (t) => {
    const began = performance.now();
    const disk = await open(bridge.url("large"), { tls });
    const inspector = await inspect(disk);
    const { volume: kind } = await inspector.layout();
    const [{ browsable }] = await inspector.signatures(0, disk.size);
    const volume = await inspector.open(0, disk.size);
    const names = [];
    for await (const batch of volume.list("/")) names.push(...batch.map(({ name }) => name));
    const { requests } = disk.stats();
    t.diagnostic(`${requests} requests, ${Math.round(performance.now() - began)} ms`);
    assert.deepEqual([disk.size, kind, browsable, names], [TiB, "ext4", true, ["lost+found"]]);
    assert.ok(requests < 60, `${requests} requests`);
    await inspector.close();
    await disk.close();
  });
});
