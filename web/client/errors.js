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
  "LIMIT", // the bridge has as many connections as it admits
  "SESSION_EXPIRED", // the bridge ended a connection that had its time
  "ENDED_BY_OPERATOR", // the operator of the bridge ended the connection
  "TARGET_UNREACHABLE", // the bridge could not connect to the NBD server
  "DRAINING", // the bridge is shutting down
  "DISCONNECTED", // the connection ended by itself
  "UNKNOWN_OUTCOME", // the connection ended before the answer to a write: it may have happened
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
  "INTERNAL", // a bug in the client
]));

/** @typedef {typeof codes[number]} NbdErrorCode */

/**
 * What crosses from the worker in place of an NbdError.
 * @typedef {{code: NbdErrorCode, message: string, details?: Record<string, unknown>}} Failure
 */

/** Every failure but an abort, which rejects with the signal's reason. */
export class NbdError extends Error {
  /**
   * @param {NbdErrorCode} code
   * @param {string} message what happened, where, and what to do next
   * @param {Record<string, unknown>} [details] facts for programs, by code:
   *   closeCode and closeReason, offset and length, export, serverName, pin
   */
  constructor(code, message, details = {}) {
    super(message);
    this.name = "NbdError";
    /** A stable name of the failure. @readonly */
    this.code = code;
    /** @readonly */
    this.details = details;
  }
}

/**
 * @param {string} message
 * @returns {NbdError}
 */
export function invalid(message) {
  return new NbdError("INVALID_ARGUMENT", message);
}

/**
 * @param {Failure} failure
 * @returns {NbdError}
 */
export function revive({ code, message, details }) {
  return new NbdError(code, message, details);
}

/**
 * Makes anything thrown fit for postMessage.
 * @param {any} error
 * @returns {Failure}
 */
export function describe(error) {
  if (codes.includes(error?.code)) {
    return { code: error.code, message: error.message, details: error.details };
  }
  return { code: "INTERNAL", message: `Unexpected error in the client: ${error}. Please report it.` };
}
