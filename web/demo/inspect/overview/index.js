// The overview of a disk: its parts, what they hold, and which blocks are in use.
import { byId, element } from "../../page/dom.js";
import { ProgressBar } from "../../page/progress.js";
import { grouped, humanSize, visible } from "../../page/text.js";
import { Progress } from "../../../client/progress.js";
import { LayoutBar, aboutOf, maxParts, titleOf } from "./bar.js";
import { BlockMap, percent } from "./map.js";
import { PartTable } from "./parts.js";
import { Tally, survey } from "./survey.js";

/** @typedef {import("../session.js").Session} Session */
/** @typedef {import("../inspector.js").Part} Part */

/** Parts that are probed for signatures at most. */
const maxProbes = 128;

export class Overview {
  #status = byId("layout-status", HTMLElement);
  #problems = byId("layout-problems", HTMLElement);
  #summary = byId("map-summary", HTMLElement);
  #start = byId("map-start", HTMLButtonElement);
  #canvas = byId("map", HTMLCanvasElement);
  #progress = new ProgressBar();
  /** @type {Session | undefined} */ #session;
  /** @type {Part[]} */ #parts = [];

  constructor() {
    this.bar = new LayoutBar(byId("layout-bar", HTMLElement), byId("layout-note", HTMLElement), (index, enter) => this.#choose(index, enter));
    this.table = new PartTable(byId("parts-body", HTMLTableSectionElement), {
      browse: (part) => this.#session?.browse(part),
      bytes: (part) => this.#session?.showBytes(part.offset),
      search: (part) => this.#session?.searchIn(part),
      take: (job, part) => this.#take(job, part),
    });
    this.map = new BlockMap(this.#canvas, byId("map-hint", HTMLElement), (offset) => this.#session?.showBytes(offset));
    byId("map-progress", HTMLElement).replaceWith(this.#progress.element);
    this.#start.addEventListener("click", () => { this.#survey(); });
  }

  /** @param {Session} session */
  show(session) {
    this.#session = session;
    const { layout } = session;
    this.#parts = layout.parts.slice(0, maxParts);
    this.bar.show(this.#parts);
    this.table.show(this.#parts, session.jobs);
    this.#status.textContent = schemeText(layout);
    const left = layout.parts.length - this.#parts.length;
    const problems = [...layout.problems ?? []].map(({ offset, text }) => element("li", `${visible(text)} (at byte ${grouped(offset)})`));
    if (left > 0) problems.push(element("li", `${grouped(left)} more parts are not shown.`));
    this.#problems.replaceChildren(...problems);
    this.#problems.hidden = problems.length === 0;
    this.#probe(session);
    this.#survey();
  }

  /** @param {import("../session.js").Job} job @param {Part} part */
  #take(job, part) {
    const device = this.#session?.device;
    if (!device) return;
    const length = Math.min(part.length, device.size - part.offset); // tables may promise more than there is
    job.take({ device, name: titleOf(part), offset: part.offset, length });
  }

  /** @param {number} index @param {boolean} enter */
  #choose(index, enter) {
    this.table.choose(index, enter);
    byId("layout-here", HTMLElement).textContent = `${aboutOf(this.#parts[index])}.`;
  }

  /** Looks at each part that may hold something, one after the other. @param {Session} session */
  async #probe(session) {
    const { signal } = session;
    let probes = 0;
    for (const [index, part] of this.#parts.entries()) {
      if (signal.aborted) return;
      if (part.length === 0 || part.kind === "table") this.table.tell(index, part, []);
      else if (probes++ < maxProbes) await this.#probeOne(session, index, part);
      else this.table.fail(index, `only the first ${maxProbes} parts are probed`);
    }
  }

  /** @param {Session} session @param {number} index @param {Part} part */
  async #probeOne(session, index, part) {
    try {
      const found = await session.inspector.signatures(part.offset, part.length, { signal: session.signal });
      this.table.tell(index, part, found);
      if (found.length > 0) this.bar.tell(index, found[0].name);
    } catch (error) {
      if (!session.signal.aborted) this.table.fail(index, visible(error instanceof Error ? error.message : String(error)));
    }
  }

  async #survey() {
    const session = this.#session;
    if (!session || session.signal.aborted) return;
    const { device, signal } = session;
    this.#start.disabled = true;
    this.map.begin(device.size);
    const tallies = [new Tally(0, device.size), ...this.#parts.map(({ offset, length }) => new Tally(offset, length))];
    this.#summary.textContent = "";
    const end = await this.#progress.run("Asking which blocks are in use", (stop, onProgress) => this.#ask(device, tallies, stop, onProgress)) // a closed disk ends it too
      .then(() => "", (error) => error?.name === "AbortError" ? " Stopped." : ` ${visible(error instanceof Error ? error.message : String(error))}`);
    if (this.#session !== session || signal.aborted) return;
    this.#start.disabled = false;
    this.#tell(tallies, end);
  }

  /**
   * @param {import("../inspector.js").BlockDevice} device
   * @param {Tally[]} tallies
   * @param {AbortSignal} signal
   * @param {(state: import("../../../client/progress.js").ProgressState) => void} onProgress
   */
  async #ask(device, tallies, signal, onProgress) {
    const progress = new Progress(device.size, ({ done, total, errors }) => {
      onProgress({ done, total, errors, skipped: 0, rate: undefined, left: undefined });
      this.#tell(tallies, "");
    });
    for await (const { offset, extents, next } of survey(device, 0, device.size, signal)) {
      this.map.add(extents);
      for (const tally of tallies) tally.add(extents);
      if (extents.length === 0) progress.fail();
      progress.add(next - offset);
    }
    progress.end();
  }

  /** @param {Tally[]} tallies @param {string} end what is to be added */
  #tell([whole, ...parts], end) {
    this.#summary.textContent = usageText(whole) + sampledText(whole) + end;
    this.#canvas.setAttribute("aria-label", `Blocks in use: ${this.#summary.textContent}`);
    parts.forEach((tally, i) => this.table.usage(i, tally.told > 0 ? shortUsage(tally) : "not asked"));
  }
}

/** @param {import("../inspector.js").Layout} layout */
function schemeText({ scheme, sectorSize, uuid, volume, parts }) {
  const partitions = parts.filter(({ kind }) => kind === "partition").length;
  const names = { gpt: "GUID partition table (GPT)", mbr: "MBR partition table", none: "No partition table" };
  const words = scheme === "none" ? "the disk is one part" : `${partitions} partition${partitions === 1 ? "" : "s"}, sectors of ${sectorSize} bytes`;
  return `${names[scheme] ?? visible(scheme)}: ${words}${uuid ? `, ${uuid}` : ""}.${volume ? ` The disk as a whole is also ${volume}.` : ""}`;
}

/** @param {Tally} tally */
function usageText({ data, zero, hole, told }) {
  if (told === 0) return "Nothing is known yet.";
  return `Data ${humanSize(data)} (${percent(data / told)}), zeros ${humanSize(zero)} (${percent(zero / told)}), holes ${humanSize(hole)} (${percent(hole / told)}).`;
}

/** @param {Tally} tally */
function shortUsage({ data, told }) {
  return `${percent(data / told)} data`;
}

/** Says how much of the disk the numbers are of. @param {Tally} tally */
function sampledText({ told, length }) {
  return told > 0 && told < length ? ` Asked of ${percent(told / length)} of the disk; the rest is between samples or not told.` : "";
}
