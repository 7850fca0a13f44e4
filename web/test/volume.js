// A disk with a file system, made by Debian's mke2fs.
import { randomBytes } from "node:crypto";
import { mkdir, open, rm, truncate, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { executable } from "./browser/needs.js";
import { run } from "./browser/processes.js";

const MiB = 1 << 20;

/** Where its partition lies, in bytes. */
export const partition = { offset: MiB, length: 63 * MiB };

/** How many files its folder /many has. */
export const many = 2500;

/** Debian's packages that are missing for it. */
export const missingForVolume = () => (process.env.PATH ?? "").split(delimiter).some((folder) => executable(join(folder, "mke2fs"))) ? [] : ["e2fsprogs"];

/** A table of one partition. */
function masterBootRecord() {
  const record = Buffer.alloc(512);
  record.writeUInt32LE(0x1234abcd, 440);
  record[446 + 4] = 0x83;
  record.writeUInt32LE(partition.offset / 512, 446 + 8);
  record.writeUInt32LE(partition.length / 512, 446 + 12);
  record.writeUInt16LE(0xaa55, 510);
  return record;
}

/**
 * A disk of 64 MiB with a table and ext4.
 * @param {string} dir to make it in
 * @returns {Promise<{file: string, random: Buffer, sparse: Buffer}>} what its files hold
 */
export async function makeVolume(dir) {
  const [file, root] = [join(dir, "volume.img"), join(dir, "root")];
  const random = randomBytes(3 * MiB + 77);
  random.write("The Needle, of the haystack", 2 * MiB - 5, "utf16le");
  const sparse = Buffer.alloc(8 * MiB + 5, 0);
  sparse.write("begin");
  sparse.write("end", 8 * MiB);
  await mkdir(join(root, "deep/er"), { recursive: true });
  await mkdir(join(root, "many"));
  await writeFile(join(root, "random.bin"), random);
  await writeFile(join(root, "deep/er/odd \n\\ näme"), "odd");
  const handle = await open(join(root, "sparse.bin"), "w");
  await handle.write("begin", 0);
  await handle.write("end", 8 * MiB);
  await handle.truncate(sparse.length);
  await handle.close();
  for (let i = 0; i < many; i++) await writeFile(join(root, `many/file-${i}`), "");
  await writeFile(file, masterBootRecord());
  await truncate(file, 64 * MiB);
  await run("mke2fs", ["-q", "-F", "-t", "ext4", "-L", "lab", "-E", `offset=${partition.offset}`, "-d", root, file, `${partition.length / 1024}k`]);
  await rm(root, { recursive: true });
  return { file, random, sparse };
}
