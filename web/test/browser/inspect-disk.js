// Disks for the inspector to look into.
import { mkdir, open, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { freePort, run } from "./processes.js";

export const MiB = 1 << 20;
const TiB = 2 ** 40;

/** Where the text stands that is far from everything else. */
export const farAway = 600 * 2 ** 30 + 12345;
export const farText = "the far needle";

/**
 * A sparse disk of 1 TiB with a GPT: an ext4 file system, a FAT, one with
 * nothing that is known, and a text in UTF-16 in the midst of a hole.
 * @param {import("./lab.js").Lab} lab
 */
export async function makeDisk(lab) {
  const file = join(lab.dir, "inspect.img");
  const source = join(lab.dir, "inspect-files");
  await mkdir(source);
  for (let i = 0; i < 120; i++) await writeFile(join(source, `note-${i}.txt`), `a near needle, number ${i}\n`);
  await writeFile(file, "");
  await truncate(file, TiB);
  await partition(file);
  const volumes = [join(lab.dir, "ext4.img"), join(lab.dir, "fat.img")];
  await Promise.all(volumes.map(async (volume) => {
    await writeFile(volume, "");
    await truncate(volume, 32 * MiB);
  }));
  await run("mke2fs", ["-q", "-t", "ext4", "-L", "root", "-d", source, volumes[0]]);
  await run("mkfs.fat", ["-F", "16", "-n", "STICK", volumes[1]]);
  for (const [i, volume] of volumes.entries()) await run("dd", [`if=${volume}`, `of=${file}`, "bs=1M", `seek=${1 + 32 * i}`, "conv=notrunc,sparse", "status=none"]);
  const disk = await open(file, "r+");
  // With a zero before it, it would be there in UTF-16BE too, a byte earlier.
  await disk.write(Buffer.from(`!${farText}`, "utf16le"), 0, undefined, farAway - 2);
  await disk.write(Buffer.from("!"), 0, undefined, farAway - 1);
  await disk.close();
  return file;
}

/** @param {string} file */
async function partition(file) {
  const script = ["label: gpt", "label-id: 11111111-2222-3333-4444-555555555555", "start=2048, size=65536, type=linux, name=\"root\"",
    "start=67584, size=65536, type=uefi, name=\"stick\"", "start=4194304, size=1073741824, type=linux, name=\"big data\""].join("\n");
  const sfdisk = spawn("sfdisk", ["--quiet", file], { stdio: ["pipe", "ignore", "inherit"] });
  sfdisk.stdin.end(script);
  const [code] = await once(sfdisk, "close");
  if (code !== 0) throw new Error(`sfdisk ended with ${code}`);
}

/**
 * nbdkit over a file one of whose sectors can't be read.
 * @param {import("./lab.js").Lab} lab
 * @param {string} file
 * @param {number} sector
 * @param {{dir: string}} pki
 */
export async function serveWithBadSector(lab, file, sector, pki) {
  const port = await freePort();
  const process = await lab.processes.start({ port, host: "127.0.0.1" }, "nbdkit", "--foreground", "--ipaddr=127.0.0.1", `--port=${port}`,
    "--tls=require", "--tls-verify-peer", `--tls-certificates=${pki.dir}`, "eval",
    `get_size=stat -Lc %s ${file}`,
    `pread=if [ $4 -le ${sector * 512} ] && [ $(($4+$3)) -gt ${sector * 512} ]; then echo "EIO the sector is bad" >&2; exit 1; fi; dd if=${file} skip=$4 count=$3 iflag=count_bytes,skip_bytes status=none`);
  return { ...process, port, target: `tcp://127.0.0.1:${port}` };
}
