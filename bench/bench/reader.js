// Reads in a Worker, one read after the other.
import { deviceOf } from "/client/handle.js";
import { openSync } from "/client/sync/index.js";

const ways = {
  async async(source) {
    const device = await deviceOf(source);
    return { size: device.size, read: (offset, length) => device.read(offset, length) };
  },
  async sync(source) {
    const sync = await openSync(source);
    const into = new Uint8Array(1 << 20);
    return { size: sync.size, read: (offset, length) => { sync.readSync(into.subarray(0, length), offset); } };
  },
};

let reader;

async function round({ size, time }) {
  const begin = performance.now();
  let n = 0;
  for (; performance.now() - begin < time; n++) {
    const reading = reader.read(n * size % reader.size, size);
    if (reading) await reading;
  }
  return n / (performance.now() - begin) * 1000;
}

onmessage = async ({ data }) => {
  try {
    if (data.way) reader = await ways[data.way](data.source);
    postMessage({ rate: data.way ? 0 : await round(data) });
  } catch (err) {
    postMessage({ error: `${err.code ?? err.name}: ${err.message}` });
  }
};
