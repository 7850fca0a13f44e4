// Where an image is made: in the browser, or straight in a file.
import { fileSink, storedSink } from "../../../client/evidence/index.js";
import { Device } from "../../../client/device.js";
import { storageError } from "../../../client/storage/failures.js";

/** @typedef {import("../../../client/device.js").BlockDevice} BlockDevice */
/** @typedef {import("../../../client/evidence/index.js").Sink} Sink */
/** @typedef {import("../../../client/evidence/index.js").State} State */
/** @typedef {import("./store.js").Kept} Kept */

/**
 * @typedef {object} Place
 * @property {Sink} sink
 * @property {Kept} [kept] in the browser, where it outlives the page
 * @property {State | undefined} state the last one
 * @property {(state: State) => Promise<void>} keep rejects where a complete image does not become its file
 * @property {() => Promise<BlockDevice>} image the file of it, as far as it is made; once complete, where it is a file
 * @property {() => Promise<void>} end lets go of it; what is not complete is lost where it is a file
 */

const blockSize = { minimum: 1, preferred: 1 << 20, maximumPayload: 16 << 20 };

/** @param {Kept} kept @returns {Place} */
export function keptPlace(kept) {
  return {
    sink: storedSink(kept.image), kept,
    get state() { return kept.state; },
    keep: (state) => kept.keep(state),
    async image() {
      const size = kept.state?.image.file ?? 0;
      return new Device({ size, blockSize, read: (offset, length) => kept.image.read(offset, length) });
    },
    end: () => kept.close(),
  };
}

/**
 * @param {FileSystemFileHandle} handle that the user has picked
 * @returns {Promise<Place>}
 */
export async function filePlace(handle) {
  const stream = await handle.createWritable();
  let open = true;
  const finish = async () => {
    if (open) await stream.close().catch((error) => { throw storageError(error, "Putting the image into its file"); });
    open = false;
  };
  /** @type {State | undefined} */ let last;
  return {
    sink: fileSink(stream),
    get state() { return last; },
    async keep(state) {
      if (state.log.status === "complete") await finish(); // nobody may be told so of a file that is not there
      last = state;
    },
    async image() {
      const file = await handle.getFile();
      return new Device({ size: file.size, blockSize, read: async (offset, length) => new Uint8Array(await file.slice(offset, offset + length).arrayBuffer()) });
    },
    async end() {
      if (!open) return;
      open = false;
      await stream.abort().catch(() => {}); // it has failed before
      if ((await handle.getFile()).size === 0) await /** @type {any} */ (handle).remove?.(); // the dialog made it
    },
  };
}
