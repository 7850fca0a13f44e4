// Measures copies and hashes of whole disks, in turns, and posts their rates:
// of a disk of a server, and of one that the page makes up, where the hash
// alone counts. A hash of the disk is held against the slower of the two: the
// copy that drops it, which is the link, and the hash alone.
import { algorithms, copy, hash } from "/client/copy/index.js";
import { Device } from "/client/device.js";
import { acquire, storedSink } from "/client/evidence/index.js";
import { open } from "/client/index.js";
import { deleteFolder, opfsFolder } from "/client/storage/opfs.js";

const ROUNDS = 3;

/** What the hashes of a server's disk are held against, with what its link is. */
const links = { disk: "loopback", link: "a link of 400 Mbit/s" };
const sets = [...algorithms.map((name) => [name]), ["md5", "sha1", "sha256"]];

const acquisition = "acquisition of the disk into the browser's storage, with sha256, over loopback";
const carried = (link) => `copy of the disk to a stream that drops it, over ${links[link]}`;
const alone = (names) => `${names.join(", ")} of what the page makes up`;
const ofDisk = (names, link) => `${names.join(", ")} of the disk, over ${links[link]}`;

/** Reads as zeros, of which its block status knows nothing. @param {number} size */
const madeUp = (size) => new Device({
  size, blockSize: { minimum: 1, preferred: 4096, maximumPayload: 1 << 25 },
  read: async (offset, length) => new Uint8Array(length),
});

/** Copies to a file that is there for this alone. */
async function toFile(disk) {
  const folder = await navigator.storage.getDirectory();
  const writable = await (await folder.getFileHandle("bench.img", { create: true })).createWritable();
  await copy(disk, writable);
  await writable.close();
  await folder.removeEntry("bench.img");
}

/** Acquires into the browser's storage. */
async function toImage(disk, hashes) {
  const folder = await opfsFolder("bench", "image");
  await acquire(disk, storedSink(await folder.open("image")), { hashes });
  await folder.close();
  await deleteFolder("bench", "image");
}

async function main() {
  const { url, ...options } = await (await fetch("/start.json")).json();
  const disks = new Map();
  for (const link of Object.keys(links)) disks.set(link, await open(url.replace("/disk", `/${link}`), options));
  const disk = disks.get("disk");
  const own = madeUp(disk.size);
  const jobs = [
    ["copy of the disk to a file of the browser", () => toFile(disk)],
    [acquisition, () => toImage(disk, ["sha256"])],
    ...sets.map((names) => [alone(names), () => hash(own, names)]),
    ...[...disks].flatMap(([link, from]) => [
      [carried(link), () => copy(from, new WritableStream())],
      ...sets.map((names) => [ofDisk(names, link), () => hash(from, names)]),
    ]),
  ];
  for (const [, job] of jobs) await job(); // warm up: the WASM is compiled twice
  const rates = jobs.map(() => []);
  for (let i = 0; i < ROUNDS; i++) {
    for (const [j, [, job]] of jobs.entries()) {
      const begin = performance.now();
      await job();
      rates[j].push((disk.size / 1048576) / ((performance.now() - begin) / 1000));
    }
  }
  const medians = new Map(jobs.map(([what], j) => [what, median(rates[j])]));
  const bounds = new Map(Object.keys(links).flatMap((link) => sets.map((names) =>
    [ofDisk(names, link), Math.min(medians.get(carried(link)), medians.get(alone(names)))])));
  bounds.set(acquisition, Math.min(medians.get(carried("disk")), medians.get(alone(["sha256"]))));
  return { Rows: [...medians].map(([What, Rate]) => ({ What, Rate, Ratio: bounds.has(What) ? Rate / bounds.get(What) : 0 })) };
}

const median = (list) => list.toSorted((a, b) => a - b)[list.length >> 1];

const result = await main().catch((err) => ({ Error: `${err.code ?? err.name}: ${err.message}` }));
await fetch("/copy", { method: "POST", body: JSON.stringify(result) });
