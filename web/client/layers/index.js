/**
 * Layers: each takes a device and is one. They compose in any order.
 * @module
 */
export { withCache } from "./cache.js";
export { memoryStore } from "./memorystore.js";
export { deleteOverlay, listOverlays, opfsStore } from "./opfsstore.js";
export { Overlay, withOverlay } from "./overlay.js";
export { PersistentCache, withPersistentCache } from "./persistentcache.js";
export { Recorder, prefetch, record } from "./profile.js";
export { readOnlyView } from "./readonly.js";
export { region } from "./region.js";
export { deleteCaches, listCaches } from "../storage/cachefolders.js";

/** @typedef {import("./cache.js").CacheOptions} CacheOptions */
/** @typedef {import("./overlay.js").OverlayStore} OverlayStore */
/** @typedef {import("./persistentcache.js").PersistentCacheOptions} PersistentCacheOptions */
/** @typedef {import("./profile.js").Profile} Profile */
/** @typedef {import("../storage/cachefolders.js").CacheFacts} CacheFacts */
