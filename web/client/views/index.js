/**
 * Views: a device as what libraries read from. None of them reads ahead of
 * being asked, or keeps what it read: withCache of the layers does.
 * @module
 */
export { asBlobLike } from "./bloblike.js";
export { asGeotiffSource } from "./geotiffsource.js";
export { asRandomAccessStorage } from "./randomaccess.js";
export { readableOf } from "./readable.js";
export { asZipReader } from "./zipreader.js";

/** @typedef {import("./bloblike.js").BlobLike} BlobLike */
/** @typedef {import("./geotiffsource.js").GeotiffSource} GeotiffSource */
/** @typedef {import("./randomaccess.js").RandomAccess} RandomAccess */
/** @typedef {import("./zipreader.js").ZipReader} ZipReader */
