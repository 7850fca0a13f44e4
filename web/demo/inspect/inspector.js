// What looks into a disk. This is the one module of the page that knows where
// that comes from.
import { standIn } from "./standin.js";

/** @typedef {import("../../client/device.js").BlockDevice} BlockDevice */

/** @typedef {{signal?: AbortSignal}} CallOptions */

/**
 * A range of the disk, as a table has it; all numbers are bytes.
 * @typedef {object} Part
 * @property {"partition" | "table" | "unallocated" | "whole" | "extended"} kind
 * @property {number} [number] that of the table
 * @property {number} offset
 * @property {number} length
 * @property {string} [type] two hexadecimal digits or a GUID
 * @property {string} typeName in words
 * @property {string} [name] the one that a GPT gives
 * @property {string} [uuid]
 * @property {string[]} [flags]
 */

/**
 * @typedef {object} Layout
 * @property {"gpt" | "mbr" | "none"} scheme
 * @property {number} size
 * @property {number} sectorSize
 * @property {string} [uuid]
 * @property {string} [volume] the kind of file system that begins at byte 0, whatever the table says
 * @property {Part[]} parts
 * @property {Part[]} [containers]
 * @property {{offset: number, text: string}[]} [problems]
 */

/**
 * @typedef {object} Signature
 * @property {string} kind a word that stays the same
 * @property {string} name in words
 * @property {string} class
 * @property {number} offset
 * @property {string} [label]
 * @property {string} [uuid]
 * @property {string} [version]
 * @property {number} [size]
 * @property {number} [blockSize]
 * @property {boolean} browsable
 * @property {string[]} [notes]
 */

/**
 * @typedef {object} SearchOptions
 * @property {{bytes: Uint8Array, ignoreCase?: boolean}[]} needles
 * @property {number} [offset]
 * @property {number} [length]
 * @property {boolean} [skipHoles]
 * @property {number} [context] bytes that are told before and after a hit
 * @property {AbortSignal} [signal]
 * @property {(progress: import("../../client/progress.js").ProgressState) => void} [onProgress]
 */

/** @typedef {{offset: number, needle: number, before: Uint8Array, bytes: Uint8Array, after: Uint8Array}} Hit */

/**
 * @typedef {object} Inspector
 * @property {(options?: CallOptions) => Promise<Layout>} layout
 * @property {(offset: number, length: number, options?: CallOptions) => Promise<Signature[]>} signatures
 * @property {(offset: number, length: number, options?: CallOptions) => Promise<any>} open a volume
 * @property {(options: SearchOptions) => AsyncIterable<Hit[]>} search
 * @property {() => void | Promise<void>} close
 */

/**
 * @param {BlockDevice} device it is read, and not closed
 * @param {CallOptions} options
 * @returns {Promise<Inspector>}
 */
export async function startInspector(device, { signal }) {
  signal?.throwIfAborted();
  return standIn(device);
}
