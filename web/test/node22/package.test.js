// The npm package in an empty project: its types, and the client in Node.
import assert from "node:assert/strict";
import { copyFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import vm from "node:vm";
import { run } from "../browser/processes.js";
import { pack, project, tool } from "../browser/tarball.js";

const program = `import { open } from "nbdbridge";
  import { region } from "nbdbridge/layers";
  import "nbdbridge/device";
  import "nbdbridge/handle";
  import "nbdbridge/range";
  import "nbdbridge/save";
  import "nbdbridge/sync";
  import "nbdbridge/copy";
  import "nbdbridge/inspect";
  import "nbdbridge/evidence";
  import "nbdbridge/v86";
  import "nbdbridge/views";
  import { existsSync } from "node:fs";
  for (const file of ["nbd.wasm", "evidence.wasm", "inspect.wasm", "acquire.wasm", "worker.js", "inspect/worker.js", "evidence/worker.js", "range/sw.js"]) console.log(existsSync(new URL(import.meta.resolve("nbdbridge/" + file))));
  await open("ws://127.0.0.1:1/nbd/lab", { tls: { mode: "off" } }).catch((error) => console.log(error.code, typeof region));`;

describe("the package", () => {
  let dir = "", app = "";
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), "nbd-package-"));
    app = await project(join(dir, "app"), await pack(dir), { "main.js": program });
  });
  after(() => rm(dir, { recursive: true, force: true }));

  test("has its licences and no dependencies", async () => {
    const at = join(app, "node_modules/nbdbridge");
    const manifest = JSON.parse(await readFile(join(at, "package.json"), "utf8"));
    assert.deepEqual(Object.keys(manifest).filter((name) => /dependencies|private|scripts/i.test(name)), []);
    assert.match(await readFile(join(at, "LICENSE"), "utf8"), /Apache License/);
    assert.match(await readFile(join(at, "LICENSE-GO"), "utf8"), /The Go Authors/);
  });

  test("has a Service Worker that is no module", async () => {
    new vm.Script(await readFile(join(app, "node_modules/nbdbridge/client/range/sw.js"), "utf8"));
  });

  test("runs in Node", async () => {
    const { stdout } = await run(process.execPath, ["main.js"], { cwd: app });
    assert.deepEqual(stdout.trim().split("\n"), ["true", "true", "true", "true", "true", "true", "true", "true", "BRIDGE_UNREACHABLE function"]);
  });

  for (const [module, moduleResolution] of [["nodenext", "nodenext"], ["esnext", "bundler"]]) {
    test(`has types, resolved as ${moduleResolution}`, async () => {
      await copyFile(new URL("types.ts", import.meta.url), join(app, "types.ts"));
      const compilerOptions = { strict: true, noEmit: true, skipLibCheck: false, target: "es2024", lib: ["es2024", "esnext.disposable", "dom", "dom.iterable", "dom.asynciterable"], types: [], module, moduleResolution, paths: { v86: [fileURLToPath(new URL("../../node_modules/v86/v86.d.ts", import.meta.url))] } };
      await writeFile(join(app, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["types.ts"] }));
      await tool("typescript/bin/tsc", "-p", app).catch((error) => assert.fail(error.stdout));
    });
  }
});
