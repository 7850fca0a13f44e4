// What an NBD client has sent without TLS, request by request, as the protocol's
// document has it: nothing of ours is asked.

/** NBD_CMD_ names by number. */
const commands = ["READ", "WRITE", "DISC", "FLUSH", "TRIM", "CACHE", "WRITE_ZEROES", "BLOCK_STATUS", "RESIZE"];

const optionMagic = 0x49484156454f5054n; // "IHAVEOPT"
const optionExportName = 1;
const headers = { 0x25609513: 28, 0x21e41c71: 32 }; // the second with extended headers
const withPayload = 1 << 5; // NBD_CMD_FLAG_PAYLOAD_LEN

/**
 * Counts the requests of one connection by their names.
 * @param {Buffer} stream all that the client has sent; it may end within a request
 * @returns {Record<string, number>}
 * @throws {Error} where it is not what the protocol says
 */
export function requestsIn(stream) {
  /** @type {Record<string, number>} */ const counts = {};
  for (let at = afterOptions(stream); at + 4 <= stream.length;) {
    const length = headers[/** @type {keyof typeof headers} */ (stream.readUInt32BE(at))];
    if (!length) throw new Error(`there is no request at ${at} of ${stream.length}: ${stream.subarray(at, at + 32).toString("hex")}`);
    if (at + length > stream.length) break;
    const [flags, type] = [stream.readUInt16BE(at + 4), stream.readUInt16BE(at + 6)];
    const name = commands[type] ?? `type ${type}`;
    counts[name] = (counts[name] ?? 0) + 1;
    const carries = length === 28 ? type === 1 : (flags & withPayload) !== 0;
    at += length + (carries ? Number(length === 28 ? stream.readUInt32BE(at + 24) : stream.readBigUInt64BE(at + 24)) : 0);
  }
  return counts;
}

/** Where the negotiation ends. @param {Buffer} stream */
function afterOptions(stream) {
  let at = 4; // the client's flags
  while (at + 16 <= stream.length && stream.readBigUInt64BE(at) === optionMagic) {
    if (stream.readUInt32BE(at + 8) === optionExportName) throw new Error("the client took the old way in, after which nothing here fits");
    at += 16 + stream.readUInt32BE(at + 12);
  }
  return at;
}

/**
 * Counts what nbdkit's log filter wrote of each command.
 * @param {string} log
 * @returns {Record<string, number>} by nbdkit's names, such as "Read"; answers do not count
 */
export function commandsIn(log) {
  /** @type {Record<string, number>} */ const counts = {};
  for (const line of log.split("\n").filter(Boolean)) {
    const found = /^\S+ \S+ (?:connection=\d+ )?(\.\.\.)?(\w+)/.exec(line);
    if (!found) throw new Error(`the log has a line that is none: ${line}`);
    const [, answer, name] = found;
    if (!answer) counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

/** @param {Record<string, number>[]} all @returns {Record<string, number>} */
export function summed(all) {
  /** @type {Record<string, number>} */ const sum = {};
  for (const [name, count] of all.flatMap((counts) => Object.entries(counts))) sum[name] = (sum[name] ?? 0) + count;
  return sum;
}
