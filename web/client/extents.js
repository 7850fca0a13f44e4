// The status of blocks, as wasm/client/commands_js.go tells it.
import { append } from "./ranges.js";

/** By their number there. */
const types = /** @type {const} */ (["data", "zero", "hole"]);

/**
 * Nothing more is asked once there are so many. What is left is told as data,
 * which is never wrong.
 */
export const maxExtents = 1 << 20;

/** @typedef {import("./ranges.js").Extent} Extent */

/**
 * Asks until the range is covered; neighbours of one type become one extent.
 * @param {(offset: number, length: number) => Promise<Uint8Array<ArrayBuffer>>} ask
 *   tells length and type of extents from offset on, at least one, as float64
 * @param {number} offset
 * @param {number} length
 */
export async function extentsOf(ask, offset, length) {
  /** @type {Extent[]} */ const extents = [];
  const end = offset + length;
  for (let at = offset; at < end;) {
    const told = new Float64Array((await ask(at, end - at)).buffer);
    for (let i = 0; i < told.length; at += told[i], i += 2) append(extents, { offset: at, length: told[i], type: types[told[i + 1]] });
    if (extents.length >= maxExtents && at < end) {
      append(extents, { offset: at, length: end - at, type: "data" });
      break;
    }
  }
  return extents;
}
