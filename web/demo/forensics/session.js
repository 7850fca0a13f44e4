// What the parts of this page share while one disk is open: what the inspector
// has, and what is known of the connection. Nobody gets the disk itself.

/** @typedef {import("../../client/index.js").Disk} Disk */
/** @typedef {import("../inspect/session.js").Stretch} Stretch */

/**
 * @typedef {import("../inspect/session.js").Session & Own} Session
 * @typedef {object} Own
 * @property {() => Facts} facts as they are now: with a new connection there is
 *   a new TLS session
 * @property {() => Outage[]} outages since the disk was opened, in order
 */

/**
 * What the server tells, and how it was reached.
 * @typedef {Pick<Disk, "exportName" | "description" | "size" | "blockSize" | "features" | "tls" | "identity"> & {bridge: string, target: string}} Facts
 *   bridge: its URL without the target, to the last slash
 */

/**
 * A time without a connection.
 * @typedef {object} Outage
 * @property {string} start ISO 8601, UTC
 * @property {string} [end] missing while it lasts
 * @property {string} reason as the client tells it; not made visible
 */

/** Outages that are kept; beyond, the oldest become one. */
const maxOutages = 1000;

/**
 * @param {Disk} disk
 * @param {{url: string}} place
 * @returns {Own}
 */
export function ownOf(disk, place) {
  const [, bridge, target] = /^(.*\/)([^/?#]*)/s.exec(place.url) ?? ["", place.url, ""]; // as the form makes it
  const outages = outagesOf(disk);
  const facts = () => {
    const { exportName, description, size, blockSize, features, tls, identity } = disk;
    return { bridge, target: decodeURIComponent(target), exportName, description, size, blockSize, features, tls, identity };
  };
  return { facts, outages };
}

/** @param {Pick<Disk, "on">} disk @returns {() => Outage[]} */
export function outagesOf(disk) {
  /** @type {Outage[]} */ const all = [];
  /** @type {Outage | undefined} */ let now;
  let merged = 1;
  disk.on("reconnecting", ({ cause }) => {
    if (now) return; // another attempt in the same one
    now = { start: new Date().toISOString(), reason: cause.message };
    all.push(now);
    if (all.length > maxOutages) all.splice(0, 2, { start: all[0].start, end: all[1].end, reason: `${++merged} outages between these times, which are too many to list` });
  });
  disk.on("reconnected", () => {
    if (now) now.end = new Date().toISOString();
    now = undefined;
  });
  return () => all.map((outage) => ({ ...outage }));
}
