// Signatures and keys in the forms in which other programs have them.
import { NbdError } from "../../../client/index.js";

/** @typedef {Uint8Array<ArrayBuffer>} Bytes */

/**
 * The signature of an elliptic curve as DER has it: SEQUENCE of two INTEGERs.
 * @param {Uint8Array} raw as WebCrypto gives it: r and s, 32 bytes each
 * @returns {Bytes}
 */
export function derOf(raw) {
  if (raw.length !== 64) throw new Error(`a signature of ${raw.length} bytes is none of P-256`);
  const body = [...integer(raw.subarray(0, 32)), ...integer(raw.subarray(32))];
  return Uint8Array.of(0x30, body.length, ...body);
}

/** Without leading zeros, but one where the number would be negative. @param {Uint8Array} bytes big-endian */
function integer(bytes) {
  const first = Math.min(bytes.findIndex((b) => b !== 0) >>> 0, bytes.length - 1);
  const digits = [...bytes.subarray(first)];
  if (digits[0] > 0x7f) digits.unshift(0);
  return [0x02, digits.length, ...digits];
}

/** @param {string} label such as "PUBLIC KEY" @param {Uint8Array} der */
export function pemOf(label, der) {
  const text = btoa(String.fromCharCode(...der));
  return `-----BEGIN ${label}-----\n${text.replace(/.{1,64}/g, "$&\n")}-----END ${label}-----\n`;
}

/** Bytes of PEM that are read at most: a key of P-256 has some 250. */
const longestPem = 16 << 10;

/**
 * The private key in a file.
 * @param {string} pem
 * @returns {Bytes} DER of PKCS #8
 */
export function privateKeyIn(pem) {
  const [, label, body] = /-----BEGIN ([A-Z ]*PRIVATE KEY)-----([A-Za-z0-9+/=\s]*)-----END \1-----/.exec(pem.slice(0, longestPem)) ?? [];
  if (label === "PRIVATE KEY") return Uint8Array.from(atob(body.replace(/\s+/g, "")), (c) => c.charCodeAt(0));
  throw new NbdError("INVALID_ARGUMENT", label === "ENCRYPTED PRIVATE KEY"
    ? "The key is encrypted, and this page can't decrypt it. Give it without a password, for example by: openssl pkcs8 -topk8 -nocrypt"
    : label ? `The file has a key in another form (${label}). Convert it, for example by: openssl pkcs8 -topk8 -nocrypt`
      : "The file has no private key in PEM, which begins with -----BEGIN PRIVATE KEY-----.");
}

/** @param {Uint8Array} bytes @returns {string} in lower-case hex */
export function hexOf(bytes) {
  return Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
}

/** @param {BufferSource} bytes @returns {Promise<string>} in lower-case hex */
export async function sha256Of(bytes) {
  return hexOf(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)));
}
