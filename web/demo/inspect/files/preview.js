// A look at a file's content: text, or a picture that was decoded. What lies on
// a disk is a stranger's, so it is never a document of the page.
import { element } from "../../page/dom.js";
import { grouped, humanSize } from "../../page/text.js";
import { imageHeader, maxPixels, textOf } from "./images.js";

/** What is read to see what a file is, and shown of a text, in bytes. */
const beginning = 64 << 10;
/** Bytes of an image that is read as a whole. */
const maxImage = 16 << 20;
/** Pixels in one direction that are drawn at most. */
const maxSide = 1024;

/** @typedef {import("../../../client/device.js").BlockDevice} BlockDevice */

/**
 * @param {BlockDevice} file
 * @param {AbortSignal} signal
 * @returns {Promise<Node[]>}
 */
export async function preview(file, signal) {
  if (file.size === 0) return [element("p", "The file is empty.", "muted")];
  const bytes = await file.read(0, Math.min(file.size, beginning), { signal });
  const image = imageHeader(bytes);
  if (image) return picture(file, image, signal);
  const text = textOf(bytes, bytes.length === file.size);
  if (text === undefined) return [element("p", "Neither text nor a picture that browsers know. See its bytes, or download it.", "muted")];
  return [textBox(text), ...bytes.length < file.size ? [element("p", `The first ${humanSize(bytes.length)} of ${humanSize(file.size)}.`, "hint")] : []];
}

/** @param {string} text */
function textBox(text) {
  const box = element("pre", text, "preview-text");
  box.tabIndex = 0; // it scrolls
  box.role = "region";
  box.ariaLabel = "Beginning of the file";
  return box;
}

/** @param {BlockDevice} file @param {import("./images.js").ImageHeader} header @param {AbortSignal} signal */
async function picture(file, { type, width, height }, signal) {
  const about = `${type.slice("image/".length).toUpperCase()}, ${grouped(width)} × ${grouped(height)} pixels`;
  if (width * height > maxPixels || file.size > maxImage) return [element("p", `${about}: too large for a preview. Download it to see it.`, "muted")];
  const bytes = await file.read(0, file.size, { signal });
  const scale = Math.min(1, maxSide / Math.max(width, height, 1));
  const size = { resizeWidth: Math.max(1, Math.round(width * scale)), resizeHeight: Math.max(1, Math.round(height * scale)) };
  try {
    const bitmap = await createImageBitmap(new Blob([/** @type {Uint8Array<ArrayBuffer>} */ (bytes)], { type }), scale < 1 ? size : {});
    return [drawn(bitmap, about), element("p", about, "hint")];
  } catch {
    return [element("p", `${about}: it is damaged, or the browser does not know it.`, "muted")];
  }
}

/** @param {ImageBitmap} bitmap @param {string} about */
function drawn(bitmap, about) {
  const canvas = element("canvas", "", "preview-picture");
  canvas.width = bitmap.width;
  canvas.height = bitmap.height;
  canvas.role = "img";
  canvas.ariaLabel = `The picture: ${about}`;
  canvas.getContext("2d")?.drawImage(bitmap, 0, 0);
  bitmap.close();
  return canvas;
}
