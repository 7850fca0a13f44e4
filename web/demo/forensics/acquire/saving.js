// An acquisition as files: the image, the log, its signature.
import { textOf } from "../../../client/evidence/index.js";
import { saveAs } from "../../../client/save/index.js";
import { sign, signerOf } from "./key.js";
import { sha256Of } from "./signature.js";

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
export function saveImage(acquisition, options) {
  const { place, name } = acquisition;
  return acquisition.whileSaved(async () => {
    await saveAs(await place.image(), name, options);
    await place.kept?.note({ saved: true });
  });
}

/** @param {Acquisition} acquisition @param {ExaminerKey} [key] */
export async function saveLog(acquisition, key) {
  const bytes = encodeLog(logOf(acquisition), key);
  await saveBytes(bytes, `${acquisition.name}.log.json`);
  Object.assign(acquisition, { logSaved: true, savedLog: await sha256Of(bytes) });
}

/** @param {Acquisition} acquisition @param {ExaminerKey} [key] */
export async function saveText(acquisition, key) {
  const log = logOf(acquisition);
  const text = await textOf(key ? { ...log, signer: signerOf(key) } : log);
  await saveBytes(new TextEncoder().encode(text), `${acquisition.name}.log.txt`);
}

/**
 * @param {Acquisition} acquisition
 * @param {ExaminerKey} key
 * @returns {Promise<boolean>} whether it is of the log as it was saved last
 */
export async function saveSignature(acquisition, key) {
  const bytes = encodeLog(logOf(acquisition), key);
  await saveBytes(await sign(key, bytes), `${acquisition.name}.log.json.sig`);
  return await sha256Of(bytes) === acquisition.savedLog;
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
