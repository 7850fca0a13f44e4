// A thread that makes calls that wait, and tells what came of them.
import { parentPort } from "node:worker_threads";
import { openSync } from "../../client/sync/index.js";

/** @type {import("../../client/sync/index.js").SyncDevice} */ let sync;

/** @type {Record<string, (...args: any[]) => any>} */
const steps = {
  async open(handle, options) {
    sync = await openSync(handle, options);
    const { size, readOnly, blockSize } = sync;
    return { size, readOnly, blockSize };
  },
  read(length, offset) {
    const into = new Uint8Array(length).fill(0xee);
    return { n: sync.readSync(into, offset), into };
  },
  write: (bytes, offset) => sync.writeSync(bytes, offset),
  flush: () => sync.flushSync(),
  trim: (offset, length) => sync.trimSync(offset, length),
  close: () => sync.close(),
};

parentPort?.on("message", async ({ step, args }) => {
  try {
    parentPort?.postMessage({ result: await steps[step](...args) });
  } catch (/** @type {any} */ error) {
    parentPort?.postMessage({ error: error.toJSON?.() ?? { message: String(error) } });
  }
});
