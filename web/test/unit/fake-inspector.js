// The WASM program of an inspector, as a fake Worker answers for it: a disk of
// one partition with one file.
import { NbdError } from "../../client/errors.js";

const hostname = "lab1";
const entry = { name: "hostname", type: "file", size: hostname.length };

/** Answers for FakeWorker.serve. */
export function fakeInspector() {
  /** @type {MessagePort | undefined} */ let port;
  /** @type {Set<string>} */ const open = new Set();
  const use = (/** @type {string} */ what) => {
    if (!open.has(what)) throw new NbdError("CLOSED", `the ${what} is not open any more`);
  };
  return {
    start: () => undefined,
    attach: (/** @type {MessagePort} */ handle) => void (port = handle),
    detach() {
      port?.postMessage({ close: true });
      port?.close();
    },
    layout: () => JSON.stringify({ scheme: "mbr", size: 8 << 20, sectorSize: 512, parts: [{ kind: "table", offset: 0, length: 512, typeName: "Master boot record" }, { kind: "partition", number: 1, offset: 4096, length: 1 << 20, typeName: "Linux" }] }),
    signatures: () => "[]",
    openVolume(/** @type {number} */ offset) {
      if (offset !== 4096) throw new NbdError("UNSUPPORTED", "nothing that is known");
      open.add("volume");
      return JSON.stringify({ id: 1, facts: { kind: "ext4", size: 1 << 20, blockSize: 4096, free: -1 } });
    },
    closeVolume: () => void open.clear(),
    list: () => (use("volume"), open.add("list"), 1),
    next: () => (use("list"), JSON.stringify({ entries: [entry], ended: true })),
    endList: () => void open.delete("list"),
    stat: () => (use("volume"), JSON.stringify({ ...entry, allocated: 4096 })),
    openFile: () => (use("volume"), open.add("file"), JSON.stringify({ id: 1, size: hostname.length, zeros: [{ offset: 1, length: 1, type: "hole" }] })),
    readFile: (/** @type {number} */ _, /** @type {number} */ offset, /** @type {number} */ length) => (use("file"), new TextEncoder().encode(hostname.slice(offset, offset + length))),
    closeFile: () => void open.delete("file"),
    search: () => (open.add("search"), 1),
    nextHits: () => (use("search"), JSON.stringify({ hits: [{ offset: 5000, length: 16, needle: 1, bytes: btoa("p\0a\0s\0s\0"), before: 0 }], done: 8 << 20, skipped: 0, ended: true })),
    endSearch: () => void open.delete("search"),
    /** What is open. */ opened: () => [...open],
  };
}
