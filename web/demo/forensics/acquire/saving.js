// An acquisition as files: the image, the log, its signature.
import { textOf } from "../../../client/evidence/index.js";
import { saveAs } from "../../../client/save/index.js";
import { sign, signerOf } from "./key.js";

/** @typedef {import("../../../client/evidence/index.js").Log} Log */
/** @typedef {import("./key.js").ExaminerKey} ExaminerKey */
/** @typedef {import("./acquisition.js").Acquisition} Acquisition */

/**
 * The log as it is saved and signed.
 * @param {Log} log
 * @param {ExaminerKey} [key] whose signature goes with it
 * @returns {Uint8Array<ArrayBuffer>} the same for the same log and key
 */
export function encodeLog(log, key) {
  const { signer, ...rest } = log;
  return new TextEncoder().encode(`${JSON.stringify(key ? { ...rest, signer: signerOf(key) } : rest, null, 2)}\n`);
}

/**
 * @param {Acquisition} acquisition
 * @param {import("../../../client/save/index.js").SaveOptions} options
 */
export async function saveImage({ place, name }, options) {
  const image = await place.image();
  await saveAs(image, name, options);
  await place.kept?.note({ saved: true });
}

/** @param {Acquisition} acquisition @param {ExaminerKey} [key] */
export async function saveLog(acquisition, key) {
  await saveBytes(encodeLog(logOf(acquisition), key), `${acquisition.name}.log.json`);
  acquisition.logSaved = true;
}

/** @param {Acquisition} acquisition @param {ExaminerKey} [key] */
export async function saveText(acquisition, key) {
  const log = logOf(acquisition);
  const text = await textOf(key ? { ...log, signer: signerOf(key) } : log);
  await saveBytes(new TextEncoder().encode(text), `${acquisition.name}.log.txt`);
}

/** @param {Acquisition} acquisition @param {ExaminerKey} key */
export async function saveSignature(acquisition, key) {
  await saveBytes(await sign(key, encodeLog(logOf(acquisition), key)), `${acquisition.name}.log.json.sig`);
}

/** @param {ExaminerKey} key */
export function savePublicKey({ publicKey }) {
  return saveBytes(new TextEncoder().encode(publicKey), "examiner.pem");
}

/** @param {Uint8Array<ArrayBuffer>} bytes @param {string} name */
function saveBytes(bytes, name) {
  return saveAs(new Blob([bytes]).stream(), name);
}

/** @param {Acquisition} acquisition @returns {Log} */
function logOf({ log }) {
  if (!log) throw new Error("there is no log yet");
  return log;
}
