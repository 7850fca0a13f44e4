import { NbdError, invalid } from "./errors.js";
import { unlessAborted } from "./signals.js";

/**
 * Whom to trust, end to end: the bridge has no part in it. One of ca, pins and
 * insecure is needed unless mode is "off".
 * @typedef {object} TlsOptions
 * @property {"require" | "prefer" | "off"} [mode] "require" (the default) fails
 *   unless a verified TLS session is reached; "off" sends everything in the
 *   clear. "prefer" is opportunistic and insecure: where the server refuses TLS
 *   it goes on in the clear, and whoever is on the path can make it refuse.
 *   disk.tls is null then; a TLS session that was begun must still verify
 * @property {string} [ca] PEM of the certificates to trust; needs serverName
 * @property {string} [serverName] the name in the NBD server's certificate; it
 *   is never taken from the URL, which names the bridge
 * @property {string[]} [pins] SHA-256 of the server's public key, as "sha256/"
 *   and base64 or as 64 hex digits. With ca both must pass; alone, a pin
 *   replaces chain, name and validity period
 * @property {boolean} [insecure] accept any certificate: no protection from
 *   whoever sits on the way; excludes ca and pins
 * @property {string} [cert] PEM of the client's certificate; needs key
 * @property {string | CryptoKey} [key] PEM of the client's private key; or the
 *   key itself, of ECDSA on P-256 or Ed25519, with the usage "sign". A key that
 *   is not extractable can be used by whoever runs in the page, and not be taken away
 */

/**
 * @typedef {object} ListOptions
 * @property {TlsOptions} [tls]
 * @property {string | (() => string | Promise<string>)} [token] a ticket for the
 *   bridge, offered as the subprotocol bearer.<token>; or what gives one, which
 *   is called for each connection that is made, and made again
 * @property {AbortSignal} [signal] gives up; the promise rejects with its reason
 * @property {string | URL | WebAssembly.Module} [wasm] where nbd.wasm is, if not
 *   beside this module, or what it compiles to
 * @property {string | URL | (() => Worker)} [worker] where worker.js is, if not
 *   beside this module, or a function that starts a Worker with it
 */

/**
 * @typedef {object} DiskOptions
 * @property {string} [export] name of the export; the default is "", the server's default
 * @property {boolean} [readOnly] default true: writing must be asked for
 * @property {number} [connections] from 1 to 8, default 1: how many connections
 *   share the work, each in a Worker of its own, where the export allows several
 * @property {false | {giveUpAfter?: number}} [reconnect] a connection that is
 *   lost is made again, for 2 minutes or giveUpAfter, in milliseconds; false:
 *   its end is that of the disk
 */

/** @typedef {ListOptions & DiskOptions} OpenOptions */
/** @typedef {ListOptions & Pick<DiskOptions, "export">} InfoOptions */

/**
 * What is asked of the worker.
 * @typedef {object} Request
 * @property {string} url
 * @property {string} [export]
 * @property {boolean} [readOnly]
 * @property {string} [token] unless it is asked for
 * @property {{giveUpAfter: number}} [reconnect] in milliseconds
 * @property {TlsOptions} tls
 */

/** For how long a connection is made again by default, in milliseconds. */
const giveUpAfter = 120_000;

/** How long a ticket is waited for, in milliseconds: as long as for a bridge. */
const ticketLimit = 20_000;

/** @typedef {Record<string, (value: any) => boolean>} Rules */

/** @param {unknown} v */
export const isFunction = (v) => typeof v === "function";
/** @param {unknown} v */
const isString = (v) => typeof v === "string";
/** @param {unknown} v */
export const isBoolean = (v) => typeof v === "boolean";
/** @param {any} v */
const isObject = (v) => typeof v === "object" && v !== null && !Array.isArray(v);
/** @param {any} v */
const isKey = (v) => Object.prototype.toString.call(v) === "[object CryptoKey]" && v.type === "private" && v.usages.includes("sign");
/** @param {any} v */
export const isSignal = (v) => typeof v?.addEventListener === "function" && typeof v.aborted === "boolean";

/** @param {any} v */
const isTicket = (v) => isString(v) && /^[\w.-]+$/.test(v);
/** What timers can wait for. @param {any} v */
export const isMilliseconds = (v) => Number.isInteger(v) && v > 0 && v < 2 ** 31;
/** @param {any} v */
const isLocation = (v) => (isString(v) && v !== "") || v instanceof URL;

/** @type {Rules} */
const listRules = {
  tls: isObject,
  token: (v) => isTicket(v) || isFunction(v),
  signal: isSignal,
  wasm: (v) => isLocation(v) || Object.prototype.toString.call(v) === "[object WebAssembly.Module]",
  worker: (v) => isLocation(v) || isFunction(v),
};
/** @type {Rules} */
const infoRules = { ...listRules, export: isString };
/** @type {Rules} */
const openRules = {
  ...infoRules, readOnly: isBoolean,
  connections: (v) => Number.isInteger(v) && v >= 1 && v <= 8,
  reconnect: (v) => v === false || isObject(v),
};
/** @type {Rules} */
const reconnectRules = { giveUpAfter: isMilliseconds };
/** @type {Rules} */
const tlsRules = {
  mode: (v) => v === "require" || v === "prefer" || v === "off",
  ca: (v) => isString(v) && v !== "",
  serverName: (v) => isString(v) && v !== "",
  pins: (v) => Array.isArray(v) && v.length > 0 && v.every(isString),
  insecure: isBoolean,
  cert: (v) => isString(v) && v !== "",
  key: (v) => (isString(v) && v !== "") || isKey(v),
};
/** @type {Record<string, string>} */
const wanted = {
  "tls.mode": '"require", "prefer" (insecure: whoever is on the path can turn TLS off) or "off"',
  "tls.ca": "a PEM string",
  "tls.pins": "an array of strings, not empty",
  "tls.cert": "a PEM string",
  "tls.key": 'a PEM string, or a CryptoKey of type "private" with the usage "sign"',
  "tls.serverName": "a name, not empty",
  token: "a string of letters, digits and . _ -, or a function",
  connections: "an integer from 1 to 8",
  reconnect: "false, or an object with giveUpAfter",
  "reconnect.giveUpAfter": "a number of milliseconds, an integer above 0",
  timeout: "a number of milliseconds, an integer above 0",
  signal: "an AbortSignal",
  wasm: "a string, a URL or a WebAssembly.Module",
  worker: "a string, a URL or a function that returns a Worker",
  tls: "an object",
  export: "a string",
  chunkSize: "an integer from 1 to 16777216, in bytes",
  onProgress: "a function",
};

/**
 * Refuses names that are not in the rules and values that do not pass them,
 * and returns what is defined.
 * @param {any} options
 * @param {Rules} rules
 * @param {string} [prefix]
 * @returns {Record<string, any>}
 */
export function check(options, rules, prefix = "") {
  if (!isObject(options)) throw invalid(`${prefix || "options"} must be an object.`);
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  for (const [name, value] of given) {
    if (!Object.hasOwn(rules, name)) throw invalid(unknown(name, Object.keys(rules), prefix));
    if (!rules[name](value)) throw invalid(`Option ${prefix}${name} must be ${wanted[prefix + name] ?? "a boolean"}.`);
  }
  return Object.fromEntries(given);
}

/**
 * @param {string} name
 * @param {string[]} known
 * @param {string} prefix
 */
function unknown(name, known, prefix) {
  const meant = known.find((k) => k.toLowerCase() === name.toLowerCase());
  const hint = meant ? `did you mean ${prefix}${meant}?` : `known are ${known.join(", ")}.`;
  return `Unknown option ${prefix}${name}: ${hint}`;
}

/**
 * @param {any} tls
 * @returns {TlsOptions}
 */
function checkTls(tls = {}) {
  const t = check(tls, tlsRules, "tls.");
  const trust = ["ca", "pins", "insecure"].filter((name) => t[name]);
  if (t.mode === "off") {
    const idle = Object.keys(t).filter((name) => name !== "mode");
    if (idle.length) throw invalid(`Option tls.${idle[0]} has no effect with tls.mode "off": drop one of them.`);
    return t;
  }
  if (!trust.length) throw invalid("TLS needs to know whom to trust: give tls.ca and tls.serverName, or tls.pins. (tls.insecure: true trusts anybody; tls.mode: \"off\" goes without TLS.)");
  if (t.insecure && trust.length > 1) throw invalid(`Option tls.insecure can't be combined with tls.${trust[0]}: drop one of them.`);
  if (t.ca && !t.serverName) throw invalid("Option tls.ca needs tls.serverName, the name in the NBD server's certificate.");
  if (!t.cert !== !t.key) throw invalid("Options tls.cert and tls.key go together: give both or none.");
  return { mode: "require", ...t };
}

/**
 * @param {string | URL} url
 * @returns {string}
 */
function checkUrl(url) {
  /** @type {URL} */
  let parsed;
  try {
    parsed = new URL(url);
  } catch {
    throw invalid(`"${String(url).replace(/[?#].*/s, "?…")}" is not an absolute URL: want ws://host/nbd/target or wss://host/nbd/target.`);
  }
  const { protocol, host } = parsed;
  if (protocol === "http:" || protocol === "https:") {
    throw invalid(`The URL of a bridge begins with ws: or wss:, not ${protocol} (try ${protocol.replace("http", "ws")}//${host}${parsed.pathname}).`);
  }
  if (protocol !== "ws:" && protocol !== "wss:") throw invalid(`The URL of a bridge begins with ws: or wss:, not ${protocol}`);
  if (parsed.username || parsed.password) throw invalid("The URL must not hold a user name or password: browsers drop them. Use the option token.");
  if (parsed.href.includes("#")) throw invalid("The URL must not have a fragment (#): a WebSocket has none.");
  return parsed.href;
}

/**
 * @param {string | URL} url
 * @param {any} options
 * @param {Rules} rules
 */
function split(url, options = {}, rules) {
  const { signal, wasm, worker, tls, token, ...rest } = check(options, rules);
  /** @type {Request} */
  const request = { url: checkUrl(url), ...rest, tls: checkTls(tls) };
  if (isString(token)) request.token = token;
  return {
    request,
    token: isFunction(token) ? () => ticketFrom(token) : undefined,
    signal: /** @type {AbortSignal | undefined} */ (signal),
    wasm,
    worker,
  };
}

/**
 * @param {() => unknown} token the caller's
 * @returns {Promise<string>}
 */
async function ticketFrom(token) {
  const failed = (/** @type {string} */ how, /** @type {unknown} */ cause = undefined) =>
    new NbdError("UNAUTHORISED", `The option token, a function, ${how}. It must give a ticket: letters, digits and . _ -.`, {}, { stage: "connect", cause });
  let ticket;
  try {
    ticket = await unlessAborted((async () => token())(), AbortSignal.timeout(ticketLimit));
  } catch (error) {
    throw failed(`failed (${error})`, error);
  }
  if (!isTicket(ticket)) throw failed("gave none");
  return /** @type {string} */ (ticket);
}

/**
 * @param {string | URL} url
 * @param {OpenOptions} [options]
 */
export function openRequest(url, options) {
  const { request: { connections = 1, reconnect = {}, ...given }, ...parts } = /** @type {any} */ (split(url, options, openRules));
  /** @type {Request} */
  const request = { export: "", readOnly: true, ...given };
  if (reconnect) request.reconnect = { giveUpAfter, ...check(reconnect, reconnectRules, "reconnect.") };
  return { .../** @type {ReturnType<typeof split>} */ (parts), request, connections: /** @type {number} */ (connections) };
}

/**
 * @param {string | URL} url
 * @param {ListOptions} [options]
 */
export function listRequest(url, options) {
  return split(url, options, listRules);
}

/**
 * @param {string | URL} url
 * @param {InfoOptions} [options]
 */
export function infoRequest(url, options) {
  const parts = split(url, options, infoRules);
  return { ...parts, request: { export: "", ...parts.request } };
}

/**
 * @param {string} name
 * @param {unknown} value a count of bytes, as number or bigint
 * @returns {number}
 */
export function byteCount(name, value) {
  const n = typeof value === "bigint" ? Number(value) : value;
  if (typeof n !== "number" || !Number.isSafeInteger(n) || n < 0) {
    throw invalid(`${name} is ${String(value)}: want an integer from 0 to 2^53-1, as number or bigint.`);
  }
  return n;
}
