/**
 * Looks into disks: partition tables, signatures, file systems, and what they
 * hold. It runs in a Worker of its own, with a WebAssembly of its own, which are
 * loaded when an inspector is made.
 * @module
 */
export { Inspector, inspect } from "./inspector.js";
export { encodings } from "./search.js";
export { Volume } from "./volume.js";

/** @typedef {import("./inspector.js").InspectOptions} InspectOptions */
/** @typedef {import("./search.js").Needle} Needle */
/** @typedef {import("./search.js").SearchOptions} SearchOptions */
/** @typedef {import("./search.js").Hit} Hit */
/** @typedef {import("./search.js").Encoding} Encoding */
/** @typedef {import("./types.js").Layout} Layout */
/** @typedef {import("./types.js").Part} Part */
/** @typedef {import("./types.js").Signature} Signature */
/** @typedef {import("./types.js").Facts} Facts */
/** @typedef {import("./types.js").Entry} Entry */
/** @typedef {import("./types.js").Details} Details */
/** @typedef {import("./types.js").Time} Time */
/** @typedef {import("./types.js").FileExtent} FileExtent */
