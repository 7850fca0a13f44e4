// Measures the time from open() to the first sector, and posts when each
// milestone was passed: the first time in a browser that knows nothing, and
// again in the same page.
import "./marks.js";
import { open } from "/client/index.js";

const WARM = 5; // rounds
const SETTLE = 2000; // ms in which the browser ends its own start
const PAUSE = 200; // ms in which a round's Worker goes

const now = () => performance.timeOrigin + performance.now();
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// The client's own Worker, but with marks.
globalThis.Worker = class extends Worker {
  constructor(url, options) {
    super("/bench/worker.js", options);
  }
};

/** One open(), as milliseconds after its call. */
async function round({ url, ...options }) {
  const marks = {}, channel = new BroadcastChannel("marks");
  channel.onmessage = ({ data }) => { marks[data.name] = data.at; };
  const begin = now();
  const disk = await open(url, options);
  marks.opened = now();
  await disk.read(0, 512);
  marks.sector = now();
  await disk.close();
  await pause(PAUSE); // marks, too, are told in tasks of their own
  channel.close();
  return Object.fromEntries(Object.entries(marks).map(([name, at]) => [name, at - begin]));
}

async function main() {
  const request = await (await fetch("/start.json")).json();
  await pause(SETTLE);
  const Cold = await round(request), Warm = [];
  for (let i = 0; i < WARM; i++) Warm.push(await round(request));
  return { Cold, Warm };
}

const result = await main().catch((err) => ({ Error: `${err.code ?? err.name}: ${err.message}` }));
await fetch("/start", { method: "POST", body: JSON.stringify(result) });
