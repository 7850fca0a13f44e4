// The npm package in a project that has nothing else: built by Vite, and served
// as it is.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { after, test } from "node:test";
import { inEachBrowser, until } from "./browsers.js";
import { Lab, diskSize, pattern } from "./lab.js";
import { serveFolder } from "./site.js";
import { pack, project, tool } from "./tarball.js";

const app = `import { open } from "nbdbridge";
  import { hash } from "nbdbridge/copy"; // it has a WebAssembly of its own
  import { withPersistentCache } from "nbdbridge/layers"; // it has a Worker of its own
  globalThis.job = async (url, tls) => {
    const disk = await withPersistentCache(await open(url, { tls }));
    const bytes = await disk.read(1000, 5000);
    const { md5 } = await hash(disk, ["md5"]);
    await disk.close();
    return { bytes: [...bytes], md5 };
  };
  document.title = "ready";`;
const files = {
  "main.js": app,
  "index.html": `<!doctype html><title>-</title><script type="module" src="/main.js"></script>`,
  "plain.html": `<!doctype html><title>-</title>
    <script type="importmap">{"imports": {"nbdbridge": "/node_modules/nbdbridge/client/index.js", "nbdbridge/copy": "/node_modules/nbdbridge/client/copy/index.js", "nbdbridge/layers": "/node_modules/nbdbridge/client/layers/index.js"}}</script>
    <script type="module" src="/main.js"></script>`,
};

async function prepare() {
  const lab = await Lab.create();
  const pki = await lab.pki("pki");
  const { target } = await lab.nbdkit(await lab.disk("disk.img"), pki);
  const folder = await project(join(lab.dir, "app"), await pack(lab.dir), files);
  const { stdout, stderr } = await tool("vite/bin/vite.js", "build", "--logLevel=warn", folder);
  assert.equal(stdout + stderr, "", "Vite has nothing to complain of");
  return { lab, pki, target, folder };
}

/** The same for both browsers. @type {ReturnType<typeof prepare> | undefined} */
let prepared;
after(async () => (await prepared)?.lab.close());

inEachBrowser("the package", ({ page: openPage }) => {
  for (const [title, root, path] of [["built by Vite", "dist", "/"], ["without a bundler", "", "/plain.html"]]) {
    test(title, async () => {
      const { lab, pki, target, folder } = await (prepared ??= prepare());
      const site = await serveFolder(join(folder, root));
      const bridge = await lab.bridge({ lab: target }, "--origin", site.origin);
      const page = await openPage(site.origin + path);
      await until(page, () => document.title === "ready");
      const tls = { ca: pki.ca, serverName: pki.serverName, cert: pki.cert, key: pki.key };
      const { bytes, md5 } = await page.evaluate((...args) => /** @type {any} */ (globalThis).job(...args), bridge.url("lab"), tls);
      assert.ok(pattern(1000, 5000).equals(Uint8Array.from(bytes)));
      assert.equal(md5, createHash("md5").update(pattern(0, diskSize)).digest("hex"));
      assert.equal(site.asked.filter((p) => p.endsWith(".wasm")).length, 2);
      await page.close();
      await site.close();
    });
  }
});
