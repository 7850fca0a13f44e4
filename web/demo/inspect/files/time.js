// Times of files, with what is known of their zone.

/**
 * Such as "2026-11-26 20:11:23 UTC". What a clock showed somewhere has no zone.
 * @param {import("../../../client/inspect/index.js").Time} time
 */
export function timeText({ time, zone }) {
  const at = Date.parse(time);
  if (Number.isNaN(at) || time.startsWith("0001-")) return "out of range";
  const text = new Date(at + offsetOf(zone)).toISOString().slice(0, 19).replace("T", " ");
  return zone === "local" ? text : `${text} ${zone}`;
}

/** Milliseconds that a zone such as "+02:00" is ahead of UTC. @param {string} zone */
function offsetOf(zone) {
  const [, sign, hours, minutes] = /^([+-])(\d\d):(\d\d)$/.exec(zone) ?? [];
  return sign ? Number(`${sign}1`) * (Number(hours) * 60 + Number(minutes)) * 60_000 : 0;
}
