// Measures one read after the other, by every way from a disk to a reader, in
// turns, and posts how many a second there were.
import { handleOf } from "/client/handle.js";
import { open } from "/client/index.js";
import { serveViaServiceWorker } from "/client/range/index.js";
import { fetchRound } from "./range.js";

const SIZES = [4 << 10, 64 << 10, 1 << 20];
const ROUNDS = 5;
const TIME = 400; // ms of one round

/** Reads for a while; tells operations per second. */
async function pageRound(disk, size) {
  const begin = performance.now();
  let n = 0;
  for (; performance.now() - begin < TIME; n++) await disk.read(n * size % disk.size, size);
  return n / (performance.now() - begin) * 1000;
}

/** A Worker that measures in the same way; the ways are named there. */
async function startReader(way, source, transfer = []) {
  const worker = new Worker("/bench/reader.js", { type: "module" });
  const ask = (message, transfer) => new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => data.error ? reject(new Error(data.error)) : resolve(data.rate);
    worker.onerror = (event) => reject(new Error(event.message));
    worker.postMessage(message, transfer);
  });
  await ask({ way, source }, transfer);
  return (size) => ask({ size, time: TIME });
}

async function main() {
  const { url, ...options } = await (await fetch("/start.json")).json();
  const disk = await open(url, options);
  const handle = () => handleOf(disk);
  const serving = await serveViaServiceWorker(disk, { script: "/sw.js" });
  const [one, other] = [handle(), handle()];
  const ways = [
    ["disk.read in the page", (size) => pageRound(disk, size)],
    ["read in a Worker, by deviceOf", await startReader("async", one, [one])],
    ["readSync in a Worker, shared memory", await startReader("sync", other, [other])],
    ["fetch in the page, Service Worker", (size) => fetchRound(serving.url, disk.size, size, TIME)],
    ["readSync in a Worker, Service Worker", await startReader("sync", { url: serving.url })],
  ];
  for (const [, round] of ways) await round(64 << 10); // warm up
  const rates = ways.map(() => SIZES.map(() => []));
  for (let i = 0; i < ROUNDS; i++) {
    for (const [s, size] of SIZES.entries()) {
      for (const [w, [, round]] of ways.entries()) rates[w][s].push(await round(size));
    }
  }
  return { Isolated: crossOriginIsolated, Sizes: SIZES, Ways: ways.map(([Name], w) => ({ Name, Rates: rates[w].map(median) })) };
}

const median = (list) => list.toSorted((a, b) => a - b)[list.length >> 1];

const result = await main().catch((err) => ({ Error: `${err.code ?? err.name}: ${err.message}` }));
await fetch("/sync", { method: "POST", body: JSON.stringify(result) });
