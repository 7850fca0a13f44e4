// Measures raw WebSocket receive and disk.read over TLS, in turns, and posts
// the medians.
import { open } from "/client/index.js";

const TOTAL = 64 << 20; // bytes of one round
const ROUNDS = 5;
const CASES = [
  { size: 64 << 10, depth: 16 },
  { size: 256 << 10, depth: 8 },
  { size: 1 << 20, depth: 4 },
];

const base = location.origin.replace(/^http/, "ws");

/** Opens the raw target: send a number, get that many bytes. */
async function openRaw() {
  const ws = new WebSocket(`${base}/nbd/raw`, ["nbd"]);
  ws.binaryType = "arraybuffer";
  await new Promise((resolve, reject) => {
    ws.onopen = resolve;
    ws.onerror = () => reject(new Error("the raw target failed"));
  });
  return ws;
}

/** Receives TOTAL bytes in answers of `size`, `depth` of them asked ahead. */
function rawRound(ws, size, depth) {
  return new Promise((resolve, reject) => {
    let asked = 0, got = 0;
    const ask = () => {
      if (asked >= TOTAL) return;
      asked += size;
      const number = new DataView(new ArrayBuffer(4));
      number.setUint32(0, size);
      ws.send(number.buffer);
    };
    ws.onclose = () => reject(new Error("the raw target hung up"));
    const begin = performance.now();
    ws.onmessage = ({ data }) => {
      const before = Math.floor(got / size);
      got += data.byteLength;
      for (let i = before; i < Math.floor(got / size); i++) ask();
      if (got >= TOTAL) resolve(rate(begin));
    };
    for (let i = 0; i < depth; i++) ask();
  });
}

/** Reads TOTAL bytes in requests of `size`, `depth` of them in flight. */
async function diskRound(disk, size, depth) {
  const begin = performance.now();
  let next = 0;
  const lane = async () => {
    while (next < TOTAL) {
      const at = next;
      next += size;
      const bytes = await disk.read(at % disk.size, size);
      if (bytes.length !== size) throw new Error("a short read");
    }
  };
  await Promise.all(Array.from({ length: depth }, lane));
  return rate(begin);
}

async function latency(disk, size) {
  const times = [];
  for (let i = 0; i < 50; i++) {
    const begin = performance.now();
    await disk.read(i * size % disk.size, size);
    times.push(performance.now() - begin);
  }
  return median(times);
}

const rate = (begin) => (TOTAL / 1048576) / ((performance.now() - begin) / 1000);
const median = (list) => list.toSorted((a, b) => a - b)[list.length >> 1];

/** Ends a round; the raw messages that follow are as large as the disk's were. */
async function lap(target) {
  return Number(await (await fetch(`/lap/${target}`, { method: "POST" })).text());
}

async function measure(disk, ws, { size, depth }) {
  const raw = [], tls = [];
  let RawMessage = 0, DiskMessage = 0;
  for (let i = 0; i < ROUNDS; i++) {
    tls.push(await diskRound(disk, size, depth));
    DiskMessage = await lap("disk");
    raw.push(await rawRound(ws, size, depth));
    RawMessage = await lap("raw");
  }
  return { Size: size, Depth: depth, Raw: median(raw), Disk: median(tls), RawMessage, DiskMessage, Latency: await latency(disk, size) };
}

async function main() {
  const { ca, serverName } = await (await fetch("/config.json")).json();
  const disk = await open(`${base}/nbd/disk`, { export: "disk", tls: { ca, serverName } });
  const ws = await openRaw();
  await diskRound(disk, 1 << 20, 4); // warm up: the WASM is compiled twice
  await lap("disk");
  const Rows = [];
  for (const c of CASES) Rows.push(await measure(disk, ws, c));
  return { Browser: navigator.userAgent, Rows };
}

const result = await main().catch((err) => ({ Error: `${err.code ?? err.name}: ${err.message}` }));
await fetch("/results", { method: "POST", body: JSON.stringify(result) });
