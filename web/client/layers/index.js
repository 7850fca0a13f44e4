/**
 * Layers: each takes a device and is one. They compose in any order.
 * @module
 */
export { withCache } from "./cache.js";
export { memoryStore } from "./memorystore.js";
export { deleteOverlay, listOverlays, opfsStore } from "./opfsstore.js";
export { Overlay, withOverlay } from "./overlay.js";
export { Recorder, prefetch, record } from "./profile.js";
export { readOnlyView } from "./readonly.js";
export { region } from "./region.js";

/** @typedef {import("./cache.js").CacheOptions} CacheOptions */
/** @typedef {import("./overlay.js").OverlayStore} OverlayStore */
/** @typedef {import("./profile.js").Profile} Profile */
