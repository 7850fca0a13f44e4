// The examiner's key. It is kept in this browser, which can sign with it and
// can't be made to give it away.
import { NbdError } from "../../../client/index.js";
import { derOf, pemOf, privateKeyIn, sha256Of } from "./signature.js";

const curve = { name: "ECDSA", namedCurve: "P-256" };
const database = "nbdbridge-examiner", table = "keys", entry = "signing";

/**
 * @typedef {object} ExaminerKey
 * @property {CryptoKey} privateKey that can't be extracted
 * @property {string} publicKey PEM, SubjectPublicKeyInfo
 * @property {string} fingerprint SHA-256 of the SubjectPublicKeyInfo in DER, in hex
 */

/** A new key. @returns {Promise<ExaminerKey>} */
export async function makeKey() {
  const { privateKey, publicKey } = await crypto.subtle.generateKey(curve, false, ["sign", "verify"]);
  return withFacts(privateKey, publicKey);
}

/**
 * Takes the key of a file, and forgets the file.
 * @param {string} pem PKCS #8, of P-256
 * @returns {Promise<ExaminerKey>}
 */
export async function importKey(pem) {
  /** @type {Uint8Array<ArrayBuffer> | undefined} */ let der;
  try {
    der = privateKeyIn(pem);
    const { kty, crv, x, y } = await crypto.subtle.exportKey("jwk", await crypto.subtle.importKey("pkcs8", der, curve, true, ["sign"]));
    const privateKey = await crypto.subtle.importKey("pkcs8", der, curve, false, ["sign"]);
    return await withFacts(privateKey, await crypto.subtle.importKey("jwk", { kty, crv, x, y }, curve, true, ["verify"]));
  } catch (cause) {
    if (cause instanceof NbdError) throw cause;
    throw new NbdError("INVALID_ARGUMENT", "The key could not be read. It must be of the curve P-256, as PKCS #8 with its public key: openssl ecparam -genkey -name prime256v1 | openssl pkcs8 -topk8 -nocrypt", {}, { cause });
  } finally {
    der?.fill(0);
  }
}

/** @param {CryptoKey} privateKey @param {CryptoKey} publicKey @returns {Promise<ExaminerKey>} */
async function withFacts(privateKey, publicKey) {
  const spki = new Uint8Array(await crypto.subtle.exportKey("spki", publicKey));
  return { privateKey, publicKey: pemOf("PUBLIC KEY", spki), fingerprint: await sha256Of(spki) };
}

/** What the log says of it. @param {ExaminerKey} key */
export function signerOf({ publicKey }) {
  return { algorithm: "ECDSA P-256, SHA-256", publicKey };
}

/**
 * @param {ExaminerKey} key
 * @param {BufferSource} bytes
 * @returns {Promise<Uint8Array<ArrayBuffer>>} DER, which openssl dgst -sha256 -verify takes
 */
export async function sign({ privateKey }, bytes) {
  return derOf(new Uint8Array(await crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, privateKey, bytes)));
}

/** @returns {Promise<ExaminerKey | undefined>} the one that is kept */
export function keptKey() {
  return inTable("readonly", (keys) => keys.get(entry));
}

/** @param {ExaminerKey} key in the place of the one before */
export function keepKey(key) {
  return inTable("readwrite", (keys) => keys.put(key, entry));
}

export function forgetKey() {
  return inTable("readwrite", (keys) => keys.delete(entry));
}

/**
 * @param {IDBTransactionMode} mode
 * @param {(keys: IDBObjectStore) => IDBRequest} work
 * @returns {Promise<any>}
 */
async function inTable(mode, work) {
  const opening = indexedDB.open(database, 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore(table);
  const db = await answerOf(opening);
  try {
    return await answerOf(work(db.transaction(table, mode).objectStore(table)));
  } finally {
    db.close();
  }
}

/** @template T @param {IDBRequest<T>} request @returns {Promise<T>} */
function answerOf(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(new NbdError("EIO", `The browser's storage of keys failed (${request.error}). Allow the site to keep data.`, {}, { stage: "client", cause: request.error }));
  });
}
