// Served to pages: a Worker that makes calls that wait, one step at a time.
import { mountEmscripten, openSync } from "../../client/sync/index.js"; // in the browser from the root

/** @type {import("../../client/sync/index.js").SyncDevice} */ let sync;
/** @type {any} */ let program;
let printed = "";

/** @type {Record<string, (...args: any[]) => any>} */
const steps = {
  async open(source, options) {
    sync = await openSync(source, options);
    return { size: sync.size, readOnly: sync.readOnly };
  },
  read(length, offset) {
    const into = new Uint8Array(length);
    return { n: sync.readSync(into, offset), bytes: [...into] };
  },
  write: (bytes, offset) => sync.writeSync(Uint8Array.from(bytes), offset),
  flush: () => sync.flushSync(),
  trim: (offset, length) => sync.trimSync(offset, length),
  close: () => sync.close(),
  async load() {
    const { default: make } = await import(/** @type {any} */ ("/node_modules/7z-wasm/7zz.es6.js"));
    const print = (/** @type {string} */ line) => { printed += `${line}\n`; };
    program = await make({ print, printErr: print });
    mountEmscripten(program.FS, sync, "/disk.img");
    return program.FS.stat("/disk.img").size;
  },
  run(...args) {
    printed = "";
    return { status: program.callMain(args), printed };
  },
  async digest(path) {
    const hash = await crypto.subtle.digest("SHA-256", program.FS.readFile(path));
    return [...new Uint8Array(hash)].map((b) => b.toString(16).padStart(2, "0")).join("");
  },
  writeFile(bytes, offset) {
    const stream = program.FS.open("/disk.img", "r+");
    const n = program.FS.write(stream, Uint8Array.from(bytes), 0, bytes.length, offset);
    stream.stream_ops.fsync(stream);
    program.FS.close(stream);
    return n;
  },
};

onmessage = async ({ data: { step, args } }) => {
  try {
    postMessage({ result: await steps[step](...args) });
  } catch (/** @type {any} */ error) {
    postMessage({ error: `${error.code ?? error.name} ${error.message}` });
  }
};
