// Tickets for a bridge, minted as any program can that knows JWT (RFC 7519).
import { createHmac, generateKeyPairSync, randomUUID, sign } from "node:crypto";

/** @typedef {import("node:crypto").KeyObject} KeyObject */

/** @param {object} value */
const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");

const now = () => Math.floor(Date.now() / 1000);

/** Mints tickets for one bridge. */
export class Mint {
  #keys = generateKeyPairSync("ed25519");

  /** @param {string} audience */
  constructor(audience) {
    this.audience = audience;
  }

  /** What the bridge checks them by: PEM. */
  get publicKey() {
    return String(this.#keys.publicKey.export({ type: "spki", format: "pem" }));
  }

  /** @param {Record<string, unknown>} claims that differ from those of a good ticket */
  #claims(claims) {
    return { sub: "alice", aud: this.audience, targets: ["lab"], exp: now() + 60, jti: randomUUID(), ...claims };
  }

  /** @param {Record<string, unknown>} [claims] */
  ticket(claims = {}) {
    const text = `${part({ alg: "EdDSA", typ: "JWT" })}.${part(this.#claims(claims))}`;
    return `${text}.${sign(null, Buffer.from(text), this.#keys.privateKey).toString("base64url")}`;
  }

  /** A ticket that says of itself that it needs no signature. */
  unsigned() {
    return `${part({ alg: "none", typ: "JWT" })}.${part(this.#claims({}))}.`;
  }

  /** A ticket signed with what everybody knows, the public key, as a secret. */
  confused() {
    const text = `${part({ alg: "HS256", typ: "JWT" })}.${part(this.#claims({}))}`;
    return `${text}.${createHmac("sha256", this.publicKey).update(text).digest("base64url")}`;
  }
}

export const expired = () => ({ exp: now() - 3600 });
