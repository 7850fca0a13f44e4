// What the parts of the page share while one disk is open.

/**
 * @typedef {object} Session
 * @property {import("../../client/index.js").Disk} device read-only
 * @property {import("./inspector.js").BlockDevice} near the same behind a cache in memory
 * @property {import("./inspector.js").Inspector} inspector
 * @property {import("./inspector.js").Layout} layout
 * @property {AbortSignal} signal aborts when the disk is closed
 * @property {(part: import("./inspector.js").Part) => void} browse
 * @property {(offset: number, length?: number) => void} showBytes
 * @property {(part: import("./inspector.js").Part) => void} searchIn
 * @property {(what: string, error: unknown) => void} report tells of what failed
 */

export {};
