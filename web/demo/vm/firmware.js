// V86's files, which are copied beside this one by a build and are not part of this project.
import { NbdError } from "../../client/index.js";

const folder = new URL("v86/", import.meta.url);

/** What a machine is made of. @typedef {{V86: any, wasm: WebAssembly.Module, bios: ArrayBuffer, vgaBios: ArrayBuffer}} Firmware */

/** @type {Promise<Firmware> | undefined} */ let loaded;

/** Whether the files are there. */
export async function hasFirmware() {
  const response = await fetch(new URL("libv86.mjs", folder), { method: "HEAD" }).catch(() => undefined);
  return Boolean(response?.ok);
}

/**
 * Loads the files, once.
 * @returns {Promise<Firmware>} rejects with WASM_LOAD
 */
export function loadFirmware() {
  loaded ??= load().catch((error) => {
    loaded = undefined; // it may go well the next time
    throw error;
  });
  return loaded;
}

async function load() {
  const [library, wasm, bios, vgaBios] = await Promise.all([
    import(new URL("libv86.mjs", folder).href).catch((error) => { throw failed("libv86.mjs", error); }),
    bytesOf("v86.wasm").then((bytes) => WebAssembly.compile(bytes)),
    bytesOf("bios.bin"),
    bytesOf("vgabios.bin"),
  ]);
  return { V86: library.V86, wasm, bios, vgaBios };
}

/** @param {string} name */
async function bytesOf(name) {
  const response = await fetch(new URL(name, folder)).catch((error) => { throw failed(name, error); });
  if (!response.ok) throw failed(name, `HTTP status ${response.status}`);
  return response.arrayBuffer();
}

/** @param {string} name @param {unknown} why */
function failed(name, why) {
  return new NbdError("WASM_LOAD", `The emulator's file ${name} could not be loaded (${why}). Run make demo-vm on the server, check that it still runs, and try again.`, {}, { stage: "client", cause: why });
}
