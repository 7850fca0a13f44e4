import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { format } from "node:util";
import { MemoryDisk } from "./memory-disk.js";

const text = readFileSync(new URL("../../../docs/javascript.md", import.meta.url), "utf8");
const examples = [...text.matchAll(/^```js\n(.*?)^```$/gms)].map(([, code]) => code);

/** V86 proper needs a BIOS: test/node22 runs it. @param {string} name */
const locate = (name) => name === "v86" ? new URL("fake-emulator.js", import.meta.url).href : import.meta.resolve(name);

/** Runs it as a module, with the package by its own name and a device. @param {string} code */
async function run(code) {
  const source = code.replace(/from "(nbdbridge[^"]*|v86)"/g, (_, name) => `from ${JSON.stringify(locate(name))}`);
  /** @type {string[]} */ const printed = [];
  const print = console.log;
  console.log = (...args) => printed.push(format(...args));
  Object.assign(globalThis, { device: new MemoryDisk(8 << 20).device });
  try {
    await import(`data:text/javascript,${encodeURIComponent(source)}`);
  } finally {
    console.log = print;
    Reflect.deleteProperty(globalThis, "device");
  }
  return printed;
}

test("the examples of docs/javascript.md run, and print what they say", async () => {
  assert.ok(examples.length >= 4);
  for (const code of examples) {
    const promised = [...code.matchAll(/console\.log\(.*\); \/\/ (.*)/g)].map(([, said]) => said);
    assert.deepEqual(await run(code), promised, code);
  }
});
