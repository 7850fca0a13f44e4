/**
 * Acquires disks: reads them once, into an image and its hashes, goes on after
 * what could not be read, and keeps a log of it all. It runs in a Worker of its
 * own, with a WebAssembly of its own; each hash has another. They are loaded
 * when something is acquired. The device is never written.
 * @module
 */
export { acquire, pass } from "./acquire.js";
export { imageOf } from "./image.js";
export { deleteFolder, listFolders, opfsFolder } from "../storage/opfs.js";
export { fileSink, storedSink, streamSink } from "./sinks.js";
export { textOf } from "./text.js";

/** @typedef {import("../storage/file.js").StoreFile} StoreFile */
/** @typedef {import("../storage/file.js").StoreFolder} StoreFolder */
/** @typedef {import("./acquire.js").AcquireOptions} AcquireOptions */
/** @typedef {import("./acquire.js").Facts} Facts */
/** @typedef {import("./acquire.js").PassOptions} PassOptions */
/** @typedef {import("./sinks.js").Sink} Sink */
/** @typedef {import("./types.js").AcquireProgress} AcquireProgress */
/** @typedef {import("./types.js").BlockStatus} BlockStatus */
/** @typedef {import("./types.js").Case} Case */
/** @typedef {import("./types.js").Connection} Connection */
/** @typedef {import("./types.js").DigestName} DigestName */
/** @typedef {import("./types.js").Format} Format */
/** @typedef {import("./types.js").Log} Log */
/** @typedef {import("./types.js").Outage} Outage */
/** @typedef {import("./types.js").Page} Page */
/** @typedef {import("./types.js").Pass} Pass */
/** @typedef {import("./types.js").Range} Range */
/** @typedef {import("./types.js").ReadError} ReadError */
/** @typedef {import("./types.js").Session} Session */
/** @typedef {import("./types.js").Source} Source */
/** @typedef {import("./types.js").State} State */
/** @typedef {import("./types.js").Tool} Tool */
