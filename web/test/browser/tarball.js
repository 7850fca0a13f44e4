// The npm package, made, packed and installed as a user would.
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { run } from "./processes.js";

const web = new URL("../../", import.meta.url).pathname;

/** A program of the development dependencies. @param {string} file @param {string[]} args */
export const tool = (file, ...args) => run(process.execPath, [join(web, "node_modules", file), ...args]);

/**
 * @param {string} folder
 * @returns {Promise<string>} the tarball
 */
export async function pack(folder) {
  const { stdout: root } = await run("go", ["env", "GOROOT"]);
  await run(process.execPath, [join(web, "dist.js"), join(root.trim(), "LICENSE")]);
  const { stdout } = await run("npm", ["pack", "--silent", "--pack-destination", folder, join(web, "dist")]);
  return join(folder, stdout.trim());
}

/**
 * An empty project that has installed the tarball, and nothing else.
 * @param {string} folder
 * @param {string} tarball
 * @param {Record<string, string>} files
 */
export async function project(folder, tarball, files) {
  await mkdir(folder);
  await writeFile(join(folder, "package.json"), `{ "private": true, "type": "module" }`);
  await run("npm", ["install", "--silent", "--offline", "--no-audit", "--no-fund", tarball], { cwd: folder });
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  return folder;
}
