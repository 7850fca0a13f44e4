/**
 * Copies and hashes of whole devices, which can stop and go on.
 * @module
 */
export { copy } from "./copy.js";
export { algorithms, hash } from "./hash.js";

/** @typedef {import("./copy.js").CopyOptions} CopyOptions */
/** @typedef {import("./copy.js").CopyReport} CopyReport */
/** @typedef {import("./hash.js").HashName} HashName */
/** @typedef {import("./hash.js").HashOptions} HashOptions */
/** @typedef {import("./hashers.js").HashState} HashState */
/** @typedef {import("./sinks.js").CopyState} CopyState */
/** @typedef {import("./sinks.js").Sink} Sink */
/** @typedef {import("../progress.js").ProgressState} ProgressState */
