import { describe } from "../errors.js";
import { judge, rangeCounts } from "./conditions.js";
import { multipart } from "./multipart.js";
import { contentRange, parseRange } from "./ranges.js";

/** @typedef {import("../device.js").BlockDevice} BlockDevice */
/** @typedef {import("./ranges.js").Part} Part */

/** @typedef {{method: string, fields: import("./conditions.js").Fields}} Question */

/**
 * What a request is answered with. The Service Worker adds what keeps the bytes
 * from being taken for a document.
 * @typedef {object} Answer
 * @property {number} status
 * @property {Record<string, string>} headers
 * @property {AsyncIterable<Uint8Array<ArrayBuffer>>} [body] in the order of the
 *   bytes; each chunk is alone in its buffer, and belongs to the reader
 * @property {number} [length] of the body in bytes, where it is known
 */

/** What is read as one piece, and the size of the pieces of more, in bytes. */
export const chunkSize = 256 << 10;
const wholeRead = 1 << 20;

/**
 * @param {BlockDevice} device
 * @param {{etag: string | undefined, disposition: string}} facts
 * @param {Question} question
 * @param {AbortSignal} [signal]
 * @returns {Answer}
 */
export function answerFor(device, { etag, disposition }, { method, fields }, signal) {
  const common = { "Accept-Ranges": "bytes", ...(etag && { ETag: etag }), "Content-Disposition": disposition };
  const verdict = judge(fields, etag);
  if (verdict !== 200) return { status: verdict, headers: verdict === 304 ? common : {} };
  const whole = { status: 200, headers: { ...common, "Content-Length": `${device.size}` } };
  if (method === "HEAD") return whole; // no Range: that is GET's
  const parts = rangeCounts(fields, etag) ? parseRange(fields.range, device.size) : undefined;
  if (parts === "unsatisfiable") return { status: 416, headers: { "Content-Range": `bytes */${device.size}`, "Accept-Ranges": "bytes" } };
  if (!parts) return { ...whole, length: device.size, body: read(device, { offset: 0, length: device.size }, signal) };
  return parts.length === 1 ? single(device, parts[0], common, signal) : several(device, parts, common, signal);
}

/**
 * @param {BlockDevice} device
 * @param {Part} part
 * @param {Record<string, string>} common
 * @param {AbortSignal} [signal]
 * @returns {Answer}
 */
function single(device, part, common, signal) {
  const headers = { ...common, "Content-Length": `${part.length}`, "Content-Range": contentRange(part, device.size) };
  return { status: 206, headers, length: part.length, body: read(device, part, signal) };
}

/**
 * @param {BlockDevice} device
 * @param {Part[]} parts
 * @param {Record<string, string>} common
 * @param {AbortSignal} [signal]
 * @returns {Answer}
 */
function several(device, parts, common, signal) {
  const { type, length, body } = multipart(device, parts, (part) => read(device, part, signal), signal);
  return { status: 206, headers: { ...common, "Content-Type": type, "Content-Length": `${length}` }, length, body };
}

/**
 * @param {BlockDevice} device
 * @param {Part} part
 * @param {AbortSignal} [signal]
 * @returns {AsyncGenerator<Uint8Array<ArrayBuffer>, void>}
 */
async function* read(device, { offset, length }, signal) {
  if (length <= wholeRead) yield device.read(offset, length, { signal });
  else yield* device.stream({ offset, length, chunkSize, signal });
}

/**
 * What went wrong, as an answer.
 * @param {unknown} error
 * @returns {{status: number, message: string}}
 */
export function failure(error) {
  const { code, message } = describe(error);
  return { status: 502, message: `${code}: ${message}` };
}
