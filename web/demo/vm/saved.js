// Saved states: a machine as it was, with what it knew of its export.
import { NbdError } from "../../client/index.js";
import { Digests } from "./digests.js";
import { findFile, removeFile, writeFile } from "./files.js";

const fileName = "state";
const magic = "nbdvm-state\n";
const version = 1;
/** Magic, and the length of the facts as u32. */
const head = magic.length + 4;
const longestFacts = 64 << 10;

/**
 * What is known of a saved state before it is read.
 * @typedef {object} Facts
 * @property {number} version
 * @property {number} time by Date.now()
 * @property {string} identity of the disk
 * @property {number} memory of the machine, in bytes
 * @property {"disk" | "cdrom"} media
 * @property {boolean} kept whether its changes were kept in this browser
 * @property {number} digests bytes of them
 * @property {number} state bytes of it
 */

/** @typedef {{facts: Facts, file: File}} Saved */

/**
 * Keeps a state, in the place of the one before.
 * @param {string} machine
 * @param {Omit<Facts, "version" | "digests" | "state">} about
 * @param {Digests} digests
 * @param {ArrayBuffer} state
 * @param {{signal?: AbortSignal, onBytes?: (count: number) => void}} options
 */
export async function saveFile(machine, about, digests, state, options) {
  const known = digests.encode();
  const facts = new TextEncoder().encode(JSON.stringify({ ...about, version, digests: known.length, state: state.byteLength }));
  const start = new Uint8Array(head);
  new TextEncoder().encodeInto(magic, start);
  new DataView(start.buffer).setUint32(magic.length, facts.length, true);
  await writeFile(machine, fileName, [start, facts, known, new Uint8Array(state)], options);
}

/**
 * @param {string} machine
 * @returns {Promise<Saved | undefined>} nothing where there is none, or none of this version
 */
export async function findSaved(machine) {
  const file = await findFile(machine, fileName);
  if (!file) return undefined;
  const start = new Uint8Array(await file.slice(0, head).arrayBuffer());
  if (start.length < head || new TextDecoder().decode(start.subarray(0, magic.length)) !== magic) return undefined;
  const length = new DataView(start.buffer).getUint32(magic.length, true);
  if (length > longestFacts) return undefined;
  const facts = factsOf(await file.slice(head, head + length).text());
  return facts && file.size === head + length + facts.digests + facts.state ? { facts, file } : undefined;
}

/** @param {string} text @returns {Facts | undefined} */
function factsOf(text) {
  try {
    const facts = JSON.parse(text);
    return facts.version === version ? facts : undefined;
  } catch {
    return undefined;
  }
}

/**
 * @param {Saved} saved
 * @returns {Promise<{digests: Digests, state: ArrayBuffer}>}
 */
export async function loadSaved({ facts, file }) {
  const end = file.size - facts.state;
  try {
    const known = new Uint8Array(await file.slice(end - facts.digests, end).arrayBuffer());
    return { digests: Digests.decode(known), state: await file.slice(end).arrayBuffer() };
  } catch (cause) {
    if (cause instanceof NbdError) throw cause;
    throw new NbdError("EIO", `The saved state can't be read (${cause}). Forget it, and boot from the disk.`, {}, { stage: "client", cause });
  }
}

/** @param {string} machine */
export function forgetSaved(machine) {
  return removeFile(machine, fileName);
}
