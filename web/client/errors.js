/**
 * Every code that an NbdError can have. They are stable; messages are not.
 * wasm/client lists the same ones.
 */
export const codes = Object.freeze(/** @type {const} */ ([
  "BRIDGE_UNREACHABLE", // the WebSocket never opened; browsers do not tell why
  "UNAUTHORISED", // the bridge wants a ticket, or another one
  "FORBIDDEN_ORIGIN", // the bridge does not admit pages of this origin
  "UNKNOWN_TARGET", // the bridge has no target of this name, or not for this client
  "IDLE", // the bridge ended an idle connection
  "LIMIT", // the bridge has as many connections as it admits, or an inspector as much open
  "SESSION_EXPIRED", // the bridge ended a connection that had its time
  "ENDED_BY_OPERATOR", // the operator of the bridge ended the connection
  "TARGET_UNREACHABLE", // the bridge could not connect to the NBD server
  "DRAINING", // the bridge is shutting down
  "DISCONNECTED", // the connection ended by itself
  "UNKNOWN_OUTCOME", // the connection ended before the answer to a write: it may have happened
  "UNFLUSHED", // writes that had been acknowledged were lost; details.offset and details.length have the range
  "IDENTITY", // another server or disk than before, or than a store was made for
  "TIMEOUT", // the NBD server did not answer during the negotiation, or to a request
  "TLS_NOT_OFFERED", // TLS is required and the server refused it
  "TLS_DOWNGRADE", // TLS is required and something else kept it away
  "TLS_REQUIRED", // the server insists on TLS and tls.mode is "off"
  "TLS_UNTRUSTED", // the server's certificate does not come from tls.ca
  "TLS_SERVER_NAME", // the server's certificate is for another name
  "TLS_EXPIRED", // the server's certificate is outside its validity period
  "TLS_PIN", // the server's key is none of tls.pins; details.pin has it
  "TLS_CLIENT_CERTIFICATE", // the server demands one, or refused the one given
  "TLS_FAILED", // any other failure of TLS
  "UNKNOWN_EXPORT", // the server has no export of this name
  "OPTION_REFUSED", // the server refused during the negotiation
  "PROTOCOL", // the other side does not speak NBD as specified
  "READ_ONLY", // a write to a disk that was opened, or exported, read-only
  "OUT_OF_RANGE", // beyond the end of the disk
  "INVALID_ARGUMENT", // an option or argument that can't be meant; nothing was sent
  "CLOSED", // after close()
  "EPERM", // this and the next seven: what the server answered to a request
  "EIO",
  "ENOMEM",
  "EINVAL",
  "ENOSPC",
  "EOVERFLOW",
  "ENOTSUP",
  "ESHUTDOWN",
  "WASM_LOAD", // the client's own files could not be loaded
  "WORKER", // the client's worker died
  "IN_USE", // the store is open in another tab or Worker
  "UNSUPPORTED", // no file system that can be browsed, or a file of it that can't be read
  "DAMAGED", // what a file system says contradicts itself
  "NOT_FOUND", // no file or stream has this name
  "INTERNAL", // a bug in the client
]));

/** @typedef {typeof codes[number]} NbdErrorCode */

/** How far a call had come when it failed. wasm/client lists the same stages. */
export const stages = Object.freeze(/** @type {const} */ ([
  "client", // the client itself: its files, its Worker, a bug in it
  "call", // refused before anything was sent
  "connect", // the way to the NBD server, which is the bridge's
  "tls", // the handshake with the NBD server
  "negotiation", // what the NBD server offers
  "transmission", // the disk is open
]));

/** @typedef {typeof stages[number]} NbdStage */

/** What may go well the next time, with nothing changed. @type {ReadonlySet<NbdErrorCode>} */
const transient = new Set(/** @type {const} */ ([
  "BRIDGE_UNREACHABLE", "IDLE", "LIMIT", "SESSION_EXPIRED", "TARGET_UNREACHABLE", "DRAINING", "DISCONNECTED",
  "UNKNOWN_OUTCOME", "TIMEOUT", "ENOMEM", "ESHUTDOWN", "WORKER", "IN_USE",
]));

/** Stages of codes that do not come from the NBD server. @type {Partial<Record<NbdErrorCode, NbdStage>>} */
const stageOf = {
  READ_ONLY: "call", OUT_OF_RANGE: "call", INVALID_ARGUMENT: "call", CLOSED: "call",
  WASM_LOAD: "client", WORKER: "client", IDENTITY: "client", IN_USE: "client", INTERNAL: "client",
};

/**
 * An NbdError as plain data.
 * @typedef {object} Failure
 * @property {NbdErrorCode} code
 * @property {string} message
 * @property {NbdStage} [stage]
 * @property {Record<string, unknown>} [details]
 * @property {Failure | {name: string, message: string}} [cause]
 */

/** Every failure but an abort, which rejects with the signal's reason. */
export class NbdError extends Error {
  /**
   * @param {NbdErrorCode} code
   * @param {string} message what happened, where, and what to do next
   * @param {Record<string, unknown>} [details] facts for programs, by code:
   *   closeCode and closeReason, offset and length, export, serverName, pin
   * @param {{stage?: NbdStage, cause?: unknown}} [origin]
   */
  constructor(code, message, details = {}, { stage = stageOf[code] ?? "transmission", cause } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "NbdError";
    /** A stable name of the failure. @readonly */
    this.code = code;
    /** @readonly */
    this.details = details;
    /** How far the call had come. @readonly */
    this.stage = stage;
    /**
     * The first byte of the request that failed, or of the whole call.
     * @readonly @type {number | undefined}
     */
    this.offset = /** @type {any} */ (details.offset);
    /**
     * True where the same call may go well the next time with nothing changed,
     * on a new connection if this one has ended. A write of UNKNOWN_OUTCOME may
     * be made again as long as nothing else has written there.
     * @readonly
     */
    this.retryable = transient.has(code);
  }

  /**
   * Plain data, for JSON and for structured clone, which would take every
   * field but the message from the error itself. from() is the way back.
   * @returns {Failure}
   */
  toJSON() {
    const { code, message, stage, details, cause } = this;
    return { code, message, stage, details, ...(cause === undefined ? {} : { cause: plain(cause) }) };
  }

  /**
   * @param {Failure} failure from toJSON, in this or another realm
   * @returns {NbdError}
   */
  static from({ code, message, details, stage, cause }) {
    return new NbdError(code, message, details, { stage, cause: cause && causeOf(cause) });
  }
}

/**
 * @param {any} cause
 * @returns {Failure["cause"]}
 */
function plain(cause) {
  if (cause instanceof NbdError) return cause.toJSON();
  return { name: String(cause?.name ?? "Error"), message: String(cause?.message ?? cause) };
}

/** @param {NonNullable<Failure["cause"]>} cause */
function causeOf(cause) {
  return "code" in cause ? NbdError.from(cause) : Object.assign(new Error(cause.message), { name: cause.name });
}

/**
 * @param {string} message
 * @returns {NbdError}
 */
export function invalid(message) {
  return new NbdError("INVALID_ARGUMENT", message);
}

/**
 * Makes anything thrown fit for postMessage.
 * @param {any} error an NbdError, or what looks like one because Go made it
 * @returns {Failure}
 */
export function describe(error) {
  if (error instanceof NbdError) return error.toJSON();
  if (codes.includes(error?.code)) {
    const { code, message, stage, details, cause } = error;
    return { code, message, stage, details, cause };
  }
  return new NbdError("INTERNAL", `Unexpected error in the client: ${error}. Please report it.`, {}, { cause: error ?? undefined }).toJSON();
}
