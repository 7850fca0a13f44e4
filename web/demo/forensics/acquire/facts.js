// What the page knows of an acquisition, in the shape of its log.

/** @typedef {import("../session.js").Facts} Facts */
/** @typedef {import("../session.js").Outage} Outage */
/** @typedef {import("../../../client/evidence/index.js").Source} Source */
/** @typedef {import("../../../client/evidence/index.js").Connection} Connection */
/** @typedef {import("../../../client/evidence/index.js").Tool} Tool */
/** @typedef {import("../../../client/index.js").TlsFacts} TlsFacts */

/** @returns {Tool} */
export function toolFacts() {
  return { name: "nbdbridge, forensics page", version: "development", platform: navigator.userAgent };
}

/**
 * @param {Facts} facts
 * @param {{offset: number, length: number}} stretch
 * @returns {Source}
 */
export function sourceFacts({ bridge, target, exportName, size, blockSize, features }, { offset, length }) {
  const { writable, ...offered } = features;
  const flags = Object.entries(offered).filter(([, has]) => has).map(([name]) => name);
  return { bridge, target, server: "", export: exportName, size, offset, length, readOnly: !writable, flags, minimumBlockSize: blockSize.minimum };
}

/** @param {TlsFacts | null} tls @returns {Connection} */
export function connectionFacts(tls) {
  if (!tls) return { encrypted: false };
  const { version, cipherSuite, serverName, verifiedBy, peer } = tls;
  const { subject, issuer, notBefore, notAfter, pin, fingerprint } = peer;
  return { encrypted: true, protocol: version, cipherSuite, serverName, verifiedBy, subject, issuer, notBefore, notAfter, pin, certificate: fingerprint.replaceAll(":", "").toLowerCase() };
}

/**
 * Those that were not over when a session began.
 * @param {readonly Outage[]} outages
 * @param {string} begun ISO 8601
 */
export function outagesSince(outages, begun) {
  return outages.filter(({ end }) => !end || end >= begun);
}

/**
 * Why a disk is not the one that an acquisition has begun with.
 * @param {Pick<Source, "export" | "size">} source
 * @param {Pick<Facts, "exportName" | "size">} facts
 * @returns {string} empty if it may be it
 */
export function mismatch(source, { exportName, size }) {
  if (exportName !== source.export) return `it is of the export "${source.export}", and this one is "${exportName}"`;
  return size === source.size ? "" : `it is of an export of ${source.size} bytes, and this one has ${size}`;
}

/**
 * A name for the file of an image, which every system takes.
 * @param {string} name of what is acquired
 * @param {"raw" | "zstd"} format
 * @param {Date} date
 */
export function imageName(name, format, date) {
  const plain = name.normalize("NFC").replace(/[^\p{L}\p{N}._-]+/gu, "-").replace(/^[-.]+|[-.]+$/g, "").slice(0, 80) || "disk";
  const day = date.toISOString().slice(0, 16).replace(/[-:]/g, "").replace("T", "-");
  return `${plain}-${day}.img${format === "zstd" ? ".zst" : ""}`;
}
