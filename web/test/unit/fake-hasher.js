// The WASM program of one hash, as a fake Worker answers for it. The states
// are keys of this module: they mean nothing elsewhere.
import { createHash } from "node:crypto";
import { NbdError } from "../../client/errors.js";

/** @type {Map<string, import("node:crypto").Hash>} */
const states = new Map();

/** Answers for FakeWorker.serve. */
export function fakeHasher() {
  /** @type {import("node:crypto").Hash} */ let hash;
  return {
    start: () => undefined,
    begin(/** @type {string} */ name, /** @type {Uint8Array | undefined} */ state) {
      if (!state) return void (hash = createHash(name));
      const kept = states.get(Buffer.from(state).toString("hex"));
      if (!kept) throw new NbdError("INVALID_ARGUMENT", `this is no state of ${name}`);
      hash = kept.copy();
    },
    write: (/** @type {Uint8Array} */ bytes) => void hash.update(bytes),
    zeros: (/** @type {number} */ n) => void hash.update(new Uint8Array(n)),
    state() {
      const key = Buffer.alloc(4);
      key.writeUInt32BE(states.size + 1);
      states.set(key.toString("hex"), hash.copy());
      return new Uint8Array(key);
    },
    sum: () => new Uint8Array(hash.copy().digest()),
  };
}
