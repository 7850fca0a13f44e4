// A file with a file system of its own, which lasts while another is looked into.

/**
 * @param {import("../inspector.js").Inspector} inspector
 * @param {import("../inspector.js").Part} part
 * @param {string} path
 * @param {AbortSignal} signal
 * @returns {Promise<{device: import("../inspector.js").BlockDevice, close: () => void}>}
 */
export async function ownFile(inspector, part, path, signal) {
  const volume = await inspector.open(part.offset, part.length, { signal });
  try {
    return { device: await volume.file(path, { signal }), close: () => { volume.close(); } };
  } catch (error) {
    volume.close();
    throw error;
  }
}
