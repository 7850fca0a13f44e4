// A small inspector in JavaScript: partitions of MBR and GPT, and a plain search.
import { structuresIn } from "./structures/index.js";
import { Progress } from "../../client/progress.js";

/** @param {import("../../client/device.js").BlockDevice} device @returns {import("./inspector.js").Inspector} */
export function standIn(device) {
  return {
    async layout() {
      const head = await device.read(0, Math.min(device.size, 65536));
      const found = structuresIn(head, 0);
      const get = (/** @type {any} */ s, /** @type {string} */ name) => Number(s.fields.find((/** @type {any} */ f) => f.name === name)?.value ?? 0);
      const gpt = found.filter((s) => s.name.startsWith("GPT entry"));
      const mbr = found.find((s) => s.name === "MBR");
      const raw = gpt.length > 0 ? gpt.map((s, i) => ({ number: i + 1, offset: get(s, "First sector") * 512, length: (get(s, "Last sector") - get(s, "First sector") + 1) * 512, name: s.fields.find((f) => f.name === "Name")?.value, typeName: s.fields[0].value }))
        : mbr ? [1, 2, 3, 4].filter((n) => get(mbr, `Entry ${n}: sectors`)).map((n) => ({ number: n, offset: get(mbr, `Entry ${n}: first sector`) * 512, length: get(mbr, `Entry ${n}: sectors`) * 512, typeName: "type", name: "" })) : [];
      const parts = /** @type {import("./inspector.js").Part[]} */ ([]);
      if (raw.length === 0) parts.push({ kind: "whole", offset: 0, length: device.size, typeName: "Whole disk" });
      let at = 0;
      for (const part of raw) {
        if (part.offset > at) parts.push({ kind: at === 0 ? "table" : "unallocated", offset: at, length: part.offset - at, typeName: at === 0 ? "Partition table" : "Unallocated" });
        parts.push({ kind: "partition", flags: [], ...part });
        at = part.offset + part.length;
      }
      if (raw.length > 0 && at < device.size) parts.push({ kind: "unallocated", offset: at, length: device.size - at, typeName: "Unallocated" });
      return { scheme: gpt.length > 0 ? "gpt" : mbr ? "mbr" : "none", size: device.size, sectorSize: 512, parts, problems: [] };
    },
    async signatures(offset, length) {
      const found = structuresIn(await device.read(offset, Math.min(length, 65536)), offset);
      return found.filter((s) => /boot sector|superblock|volume/.test(s.name)).map((s) => ({ kind: s.name, name: s.name, class: "filesystem", offset: s.offset, label: s.fields.find((f) => f.name === "Label")?.value, browsable: false }));
    },
    async open() {
      throw new Error("no file systems yet");
    },
    async *search({ needles, offset = 0, length = device.size - offset, context = 16, signal, onProgress }) {
      const progress = new Progress(length, onProgress);
      for await (const chunk of device.stream({ offset, length, signal })) {
        const at = offset + progress.state().done;
        const hits = /** @type {import("./inspector.js").Hit[]} */ ([]);
        for (let i = 0; i < chunk.length; i++) {
          needles.forEach(({ bytes, ignoreCase }, needle) => {
            if (bytes.every((b, j) => chunk[i + j] === b || (ignoreCase && String.fromCharCode(chunk[i + j]).toLowerCase() === String.fromCharCode(b).toLowerCase()))) {
              hits.push({ offset: at + i, needle, before: chunk.slice(Math.max(0, i - context), i), bytes: chunk.slice(i, i + bytes.length), after: chunk.slice(i + bytes.length, i + bytes.length + context) });
            }
          });
        }
        progress.add(chunk.length);
        yield hits;
      }
      progress.end();
    },
    close() {},
  };
}
