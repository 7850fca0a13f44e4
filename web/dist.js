// Makes the npm package in web/dist: `node dist.js LICENSE-OF-GO`, after the
// WASM was built.
import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";

process.chdir(import.meta.dirname);
rmSync("dist", { recursive: true, force: true });
mkdirSync("dist");

const built = ["nbd.wasm", "evidence.wasm", "inspect.wasm", "acquire.wasm", "wasm_exec.js"];
for (const file of built) {
  if (!existsSync(`client/${file}`)) throw new Error(`client/${file} is missing: run make build`);
}
// The comments are in the types: the code goes without, and is half as large.
for (const config of ["tsconfig.types.json", "tsconfig.code.json"]) {
  execFileSync(process.execPath, ["node_modules/typescript/bin/tsc", "-p", config], { stdio: "inherit" });
}
for (const file of built) copyFileSync(`client/${file}`, `dist/client/${file}`);
copyFileSync("README.md", "dist/README.md");
copyFileSync("../LICENSE", "dist/LICENSE");
copyFileSync(process.argv[2], "dist/LICENSE-GO"); // of the runtime that is in the WASM, and of wasm_exec.js

/** With the types first, where there are some. @param {[string, string]} entry */
function withTypes([name, file]) {
  const types = file.replace(/\.js$/, ".d.ts");
  return [name, types !== file && existsSync(`dist/${types}`) ? { types, default: file } : file];
}

// What only the work on the package needs is left out.
const { private: _, scripts, devDependencies, optionalDependencies, exports, ...rest } = JSON.parse(readFileSync("package.json", "utf8"));
const manifest = { ...rest, exports: Object.fromEntries(Object.entries(exports).map(withTypes)) };
writeFileSync("dist/package.json", `${JSON.stringify(manifest, null, 2)}\n`);
