// What the page knows of an acquisition, in the shape of its log.

/** @typedef {import("../session.js").Facts} Facts */
/** @typedef {import("../session.js").Outage} Outage */
/** @typedef {import("../../../client/evidence/index.js").Source} Source */
/** @typedef {import("../../../client/evidence/index.js").Log} Log */
/** @typedef {import("../../../client/evidence/index.js").Connection} Connection */
/** @typedef {import("../../../client/evidence/index.js").Tool} Tool */
/** @typedef {import("../../../client/evidence/index.js").Page} Page */
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
 * What is not as it was when it was read last, and need not be another disk.
 * @param {Log} log
 * @param {Pick<Facts, "bridge" | "target" | "tls" | "features">} facts
 * @returns {string[]} sentences; none if nothing is
 */
export function changes({ source, sessions }, { bridge, target, tls, features }) {
  const was = sessions.at(-1)?.connection, is = connectionFacts(tls);
  const place = lastPlace(source);
  return [
    place === bridge + target ? "" : `It was last read at ${place}, and this disk is at ${bridge}${target}: that it is the same one is for you to know, and nobody checks it.`,
    was?.encrypted && !is.encrypted ? "The connection is not encrypted, and was before: anybody could be the server." : "",
    was && is.encrypted && was.certificate !== is.certificate ? "The server shows another certificate than before." : "",
    source.readOnly && features.writable ? "The server would accept writes now, and did not before." : "",
  ].filter(Boolean);
}

/** Bridge and target where it was read last. @param {Pick<Source, "bridge" | "target">} source */
export const lastPlace = ({ bridge, target }) => [bridge, target].map((text) => text.split(between).at(-1)).join("");

const between = ", later ";

/**
 * The source of a log that goes on: every place that it was read at, in the form
 * in which the command has them, and read-only if it was all the time.
 * @param {Source} source
 * @param {Pick<Facts, "bridge" | "target" | "features">} facts
 * @returns {Source}
 */
export function sourceLater(source, { bridge, target, features }) {
  const moved = lastPlace(source) !== bridge + target;
  const later = (/** @type {string} */ was, /** @type {string} */ is) => moved && (was !== is || was.includes(between)) ? was + between + is : was;
  return { ...source, bridge: later(source.bridge, bridge), target: later(source.target, target), readOnly: source.readOnly && !features.writable };
}

/**
 * The tool of a log that goes on, in another page: its browser, and the page's
 * own files, may have become others since.
 * @param {Pick<Log, "tool" | "page">} log
 * @param {Tool} tool as it is now
 * @param {Page} [page] the same; nothing where it can't be known
 * @returns {Tool}
 */
export function toolLater({ tool: was, page: begun }, tool, page) {
  const before = new Map(begun?.files.map(({ path, sha256 }) => [path, sha256]));
  const changed = page?.files.some(({ path, sha256 }) => (before.get(path) ?? sha256) !== sha256);
  const is = page ? `page ${page.sha256}` : "a page that is not known";
  const first = was.revision ?? `page ${begun?.sha256}`;
  const revision = (page ? changed : true) && !first.endsWith(is) ? first + between + is : was.revision;
  const platform = was.platform.split(between).at(-1) === tool.platform ? was.platform : was.platform + between + tool.platform;
  return { ...was, platform, ...revision && { revision } };
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
