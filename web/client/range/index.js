import { checkDevice } from "../checks.js";
import { invalid } from "../errors.js";
import { check } from "../options.js";
import { answerFor } from "./answer.js";
import { attachment, safeName } from "./filename.js";
import { publish } from "./holder.js";
import { controlled, register } from "./register.js";

/** @typedef {import("../device.js").BlockDevice} BlockDevice */

const anything = () => true; // whoever uses it checks it

/**
 * @typedef {object} ServingOptions
 * @property {string} [path] folder in the scope, under which the URL lies;
 *   default: the scope itself
 * @property {string} [name] of the file, the last part of the URL; default "disk.img"
 */

/** @typedef {import("./register.js").WorkerOptions & ServingOptions} RangeOptions */

/**
 * Gives a device a URL of the page's origin, which answers GET and HEAD as a web
 * server does for a file, with Range and conditions. It answers pages in the
 * scope of the Service Worker, and their Workers, as long as this page lives.
 * Several pages may serve, and each several devices.
 *
 * A chain of reads is under way for each answer that is longer than 1 MiB: up to
 * 8 MiB ahead of who reads it. Bytes go out as application/octet-stream, and
 * never as a document or script of the origin.
 * @param {BlockDevice} device in the page; close() leaves it open
 * @param {RangeOptions} [options]
 * @returns {Promise<{url: string, close: () => Promise<void>}>} the URL can't be
 *   guessed; it rejects with INVALID_ARGUMENT where the page is out of scope,
 *   ENOTSUP where the browser can't, WASM_LOAD where sw.js is not to be had
 */
export async function serveViaServiceWorker(device, options = {}) {
  checkDevice(device);
  const { path, name, ...where } = checkOptions(options);
  const registration = await register(where, { control: true });
  const folder = folderOf(path, registration.scope);
  const file = safeName(name);
  const facts = { etag: etagOf(device), disposition: attachment(file) };
  const { part, withdraw } = await publish(registration, (question, signal) => answerFor(device, facts, question, signal), { claim: true });
  device.closed.then(withdraw);
  await controlled(registration).catch((error) => {
    withdraw();
    throw error;
  });
  return { url: `${folder}${part}/${encodeURIComponent(file)}`, close: async () => withdraw() };
}

/** @param {RangeOptions} options */
function checkOptions(options) {
  const { path = "", name = "disk.img", ...where } = check(options, { script: anything, scope: anything, path: anything, name: anything });
  for (const [option, value] of Object.entries({ path, name })) {
    if (typeof value !== "string") throw invalid(`Option ${option} must be a string.`);
  }
  return { path, name, ...where };
}

/** @param {string} path @param {string} scope */
function folderOf(path, scope) {
  const url = new URL(path, scope);
  if (url.search === "" && url.hash === "" && url.href.startsWith(scope)) return url.href.endsWith("/") ? url.href : `${url.href}/`;
  throw invalid(`Option path is "${path}", which is no folder in ${scope}, the scope of the Service Worker.`);
}

/**
 * Of this serving, as its URL is. A device that may change has none: a strong
 * one would promise that two parts of it are of the same content.
 * @param {BlockDevice} device
 */
const etagOf = ({ readOnly }) => readOnly ? `"${crypto.randomUUID()}"` : undefined;
