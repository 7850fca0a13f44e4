// What is known of an open disk, and of who serves it.
import { byId, element } from "./dom.js";
import { nameOf } from "./exports.js";
import { grouped, humanSize, visible } from "./text.js";

/** @typedef {[label: string, value: string | Node]} Fact */

/**
 * Shows the facts of a disk.
 * @param {import("../../client/index.js").Disk} disk
 */
export function showFacts(disk) {
  fill(byId("facts", HTMLElement), diskFacts(disk));
  fill(byId("tls-facts", HTMLElement), disk.tls ? tlsFacts(disk.tls) : []);
  const mark = byId("tls-mark", HTMLElement);
  mark.textContent = markText(disk.tls);
  mark.classList.toggle("danger", !disk.tls || disk.tls.insecure);
}

/**
 * @param {HTMLElement} dl
 * @param {Fact[]} facts
 */
function fill(dl, facts) {
  dl.replaceChildren(...facts.flatMap(([label, value]) => {
    const shown = element("dd");
    shown.append(value);
    return [element("dt", label), shown];
  }));
}

/** @param {import("../../client/index.js").TlsFacts | null} tls */
function markText(tls) {
  if (!tls) return "Not encrypted: the bridge sees every byte";
  return tls.insecure ? "Encrypted, but to whom is not verified" : "Encrypted from this page to the NBD server";
}

/**
 * @param {import("../../client/index.js").Disk} disk
 * @returns {Fact[]}
 */
function diskFacts({ exportName, size, readOnly, blockSize }) {
  const { minimum, preferred, maximumPayload } = blockSize;
  return [
    ["Export", nameOf(exportName)],
    ["Size", size < 1024 ? humanSize(size) : `${grouped(size)} bytes (${humanSize(size)})`],
    ["Access", readOnly ? "read-only, as this page opens disks" : "read and write"],
    ["Block sizes", `${humanSize(minimum)} at least, ${humanSize(preferred)} preferred, ${humanSize(maximumPayload)} at most`],
  ];
}

/**
 * @param {import("../../client/index.js").TlsFacts} tls
 * @returns {Fact[]}
 */
function tlsFacts(tls) {
  const { peer } = tls;
  return [
    ["Protocol", `${tls.version}, ${tls.cipherSuite}`],
    ["Server name", tls.verifiedBy.startsWith("ca") ? element("span", visible(tls.serverName), "name") : "not checked"],
    ["Verified by", VERIFIED[tls.verifiedBy]],
    ["Subject", visible(peer.subject) || "none"],
    ["Issuer", visible(peer.issuer) || "none"],
    ["Valid", `${day(peer.notBefore)} to ${day(peer.notAfter)} (UTC)`],
    ["Pin", element("span", peer.pin, "name")],
  ];
}

/** @type {Record<import("../../client/index.js").TlsFacts["verifiedBy"], string>} */
const VERIFIED = {
  "ca": "the CA given",
  "pin": "the pin given",
  "ca+pin": "the CA and the pin given",
  "nothing": "nothing: any certificate was accepted",
};

/**
 * The day and minute of an RFC 3339 time in UTC.
 * @param {string} time
 */
function day(time) {
  return time.slice(0, 16).replace("T", " ");
}
