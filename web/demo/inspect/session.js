// What the parts of the page share while one disk is open.

/**
 * @typedef {object} Session
 * @property {import("./inspector.js").BlockDevice} device read-only
 * @property {string} name of the disk, as its server tells it; for the names of files
 * @property {import("./inspector.js").BlockDevice} near the same behind a cache in memory
 * @property {import("./inspector.js").Inspector} inspector
 * @property {import("./inspector.js").Layout} layout
 * @property {AbortSignal} signal aborts when the disk is closed
 * @property {(part: import("./inspector.js").Part) => void} browse
 * @property {(offset: number, length?: number) => void} showBytes
 * @property {(part: import("./inspector.js").Part) => void} searchIn
 * @property {readonly Job[]} jobs what else the page does with a part or a file
 * @property {(what: string, error: unknown) => void} report tells of what failed
 */

/**
 * Something that a page does with a stretch of the disk, or with a file.
 * @typedef {object} Job
 * @property {string} word of its buttons, such as "Hash"
 * @property {boolean} takesFiles and not only stretches of the disk
 * @property {(what: Stretch) => void} take goes there and offers to do it
 */

/**
 * What a job is done with.
 * @typedef {object} Stretch
 * @property {import("./inspector.js").BlockDevice} device
 * @property {string} name as people call it, such as "Partition 1" or a path; not made visible
 * @property {number} [offset] of the stretch on the device; 0
 * @property {number} [length] up to the device's end
 * @property {() => void} [close] lets go of a device that is here for this job alone
 */

export {};
