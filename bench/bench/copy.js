// Measures copies and hashes of whole disks, in turns, and posts their rates:
// of a disk of a server, and of one that the page makes up, where the hash
// alone counts.
import { algorithms, copy, hash } from "/client/copy/index.js";
import { Device } from "/client/device.js";
import { open } from "/client/index.js";

const ROUNDS = 3;

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

async function main() {
  const { url, ...options } = await (await fetch("/start.json")).json();
  const disk = await open(url, options);
  const own = madeUp(disk.size);
  const digests = ["md5", "sha1", "sha256"];
  const jobs = [
    ["copy of the disk to a stream that drops it", () => copy(disk, new WritableStream())],
    ["copy of the disk to a file of the browser", () => toFile(disk)],
    ...algorithms.map((name) => [`${name} of what the page makes up`, () => hash(own, [name])]),
    ["md5, sha1 and sha256 of what the page makes up", () => hash(own, digests)],
    ["md5, sha1 and sha256 of the disk", () => hash(disk, digests)],
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
  return { Rows: jobs.map(([What], j) => ({ What, Rate: median(rates[j]) })) };
}

const median = (list) => list.toSorted((a, b) => a - b)[list.length >> 1];

const result = await main().catch((err) => ({ Error: `${err.code ?? err.name}: ${err.message}` }));
await fetch("/copy", { method: "POST", body: JSON.stringify(result) });
