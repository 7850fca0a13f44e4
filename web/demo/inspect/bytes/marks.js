// Which fields of known structures the bytes in sight belong to.
import { blockSize } from "./blocks.js";
import { structuresIn } from "../structures/index.js";

/** @typedef {import("../structures/index.js").Structure} Structure */
/** @typedef {import("../structures/index.js").Field} Field */

/**
 * A field, and how it is told from its neighbours.
 * @typedef {object} Mark
 * @property {Structure} structure
 * @property {Field} field
 * @property {number} colour 0 to 3; neighbours differ
 */

/** Blocks whose structures are remembered. */
const kept = 512;

/** The structures in the blocks that were read; they are found once for each. */
export class Marks {
  #blocks;
  /** By index of the block. @type {Map<number, {structures: Structure[], marks: Mark[], at: Int16Array}>} */ #found = new Map();

  /** @param {import("./blocks.js").Blocks} blocks */
  constructor(blocks) {
    this.#blocks = blocks;
  }

  /** @param {number} offset @returns {Mark | undefined} */
  at(offset) {
    const found = this.#in(Math.floor(offset / blockSize));
    return found?.marks[found.at[offset % blockSize] - 1];
  }

  /** The structures that begin in the blocks of a range. @param {number} from @param {number} to */
  within(from, to) {
    const found = [];
    for (let i = Math.floor(from / blockSize); i * blockSize < to; i++) found.push(...this.#in(i)?.structures ?? []);
    return found;
  }

  /** @param {number} index */
  #in(index) {
    const known = this.#found.get(index);
    if (known) return known;
    const block = this.#blocks.peek(index);
    if (!block) return undefined;
    const made = mapped(structuresIn(block.bytes, index * blockSize), index * blockSize);
    this.#found.set(index, made);
    if (this.#found.size > kept) this.#found.delete(/** @type {number} */ (this.#found.keys().next().value));
    return made;
  }
}

/** @param {Structure[]} structures @param {number} start of the block */
function mapped(structures, start) {
  const marks = structures.flatMap((structure) => structure.fields.map((field, i) => ({ structure, field, colour: i % 4 })));
  const at = new Int16Array(blockSize);
  marks.forEach(({ field }, i) => at.fill(i + 1, field.offset - start, field.offset - start + field.length));
  return { structures, marks, at };
}
