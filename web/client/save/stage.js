import { deleteFolder, listFolders, opfsFolder } from "../storage/opfs.js";
import { told } from "./target.js";

/** For how long a link to a file stands, in milliseconds: the browser begins at once. */
const linkLimit = 60_000;
const kind = "save";

/**
 * Keeps what is written in the browser's own storage, and has it downloaded at
 * the end. The browser reads the file after that, nobody knows for how long: it
 * stays until the page has ended, and the next save has found it.
 * @param {string} name
 * @returns {Promise<import("./target.js").Target>} rejects with ENOTSUP where the browser can't
 */
export async function stageFile(name) {
  await sweep();
  const own = crypto.randomUUID();
  const folder = await opfsFolder(kind, own);
  const file = await folder.open("file");
  let size = 0;
  return told(name, {
    write: (bytes) => {
      const at = size;
      size += bytes.length;
      return file.write(at, bytes);
    },
    close: async () => {
      await file.flush();
      await file.close();
      link(await fileOf(own), name);
    },
    abort: async () => {
      await folder.close();
      await deleteFolder(kind, own);
    },
  });
}

/** Deletes what pages left that have ended. */
async function sweep() {
  for (const name of await listFolders(kind)) await deleteFolder(kind, name).catch(() => {}); // a page has it
}

/** @param {string} own name of the folder */
async function fileOf(own) {
  let folder = await navigator.storage.getDirectory();
  for (const step of ["nbdbridge", kind, own]) folder = await folder.getDirectoryHandle(step);
  return (await folder.getFileHandle("file")).getFile();
}

/** @param {File} file @param {string} name */
function link(file, name) {
  const url = URL.createObjectURL(file.slice(0, file.size, "application/octet-stream"));
  const anchor = Object.assign(document.createElement("a"), { href: url, download: name, hidden: true });
  document.body.append(anchor);
  anchor.click();
  anchor.remove();
  setTimeout(() => URL.revokeObjectURL(url), linkLimit);
}
