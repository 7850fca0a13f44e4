// Measures the time from a click to the prompt of a guest's shell, with its disk
// in memory or over NBD, and posts it.
import { open } from "/client/index.js";
import { v86Disk } from "/client/v86/index.js";

const SETTLE = 2000; // ms in which the browser ends its own start
const LIMIT = 120_000; // ms
const PROMPT = /# $/;

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const buffer = async (url) => ({ buffer: await (await fetch(url)).arrayBuffer() });

/** What is there before anybody clicks, whatever the disk. */
async function prepare(from) {
  const { V86 } = await import("/demo/vm/v86/libv86.mjs");
  const [bios, vga_bios] = await Promise.all(["bios.bin", "vgabios.bin"].map((file) => buffer(`/demo/vm/v86/${file}`)));
  const image = from === "memory" ? await buffer("/boot.img") : undefined;
  await pause(SETTLE);
  return { V86, bios, vga_bios, image };
}

/** Fulfils when the shell on the serial port asks for a command. */
function prompt(emulator) {
  return new Promise((resolve, reject) => {
    let said = "";
    setTimeout(() => reject(new Error(`no prompt, but: ${said}`)), LIMIT);
    emulator.add_listener("serial0-output-byte", (byte) => {
      said = (said + String.fromCharCode(byte)).slice(-2000);
      if (PROMPT.test(said)) resolve();
    });
  });
}

async function main() {
  const { V86, bios, vga_bios, image } = await prepare(new URL(location.href).searchParams.get("from"));
  const click = performance.now();
  const disk = image ? undefined : await open(...await request());
  const emulator = new V86({
    wasm_path: "/demo/vm/v86/v86.wasm", bios, vga_bios, memory_size: 64 << 20, vga_memory_size: 2 << 20,
    disable_keyboard: true, disable_mouse: true, disable_speaker: true, hda: image ?? v86Disk(disk), autostart: true,
  });
  await prompt(emulator);
  return { Prompt: performance.now() - click, Requests: disk?.stats().requests ?? 0 };
}

async function request() {
  const { url, ...options } = await (await fetch("/boot.json")).json();
  return [url, options];
}

const result = await main().catch((err) => ({ Error: `${err.code ?? err.name}: ${err.message}` }));
await fetch("/boot", { method: "POST", body: JSON.stringify(result) });
