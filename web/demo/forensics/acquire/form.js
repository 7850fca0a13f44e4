// The form of a new acquisition: what the examiner says.
import { safeName } from "../../../client/range/filename.js";
import { titleOf } from "../../inspect/overview/bar.js";
import { byId, element } from "../../page/dom.js";
import { FieldError } from "../../page/form.js";
import { humanSize, visible } from "../../page/text.js";
import { imageName } from "./facts.js";
import { roomLeft } from "./store.js";

/** @typedef {import("../session.js").Session} Session */
/** @typedef {import("../session.js").Stretch} Stretch */
/** @typedef {import("./acquisition.js").Wish} Wish */
/** @typedef {{offset: number, length: number, name: string}} Choice name: for the file; empty of the whole disk */

/** Parts that are in the list at most. */
const maxParts = 128;

/** Browsers that let a page write into a file of the user's. */
const picks = "showSaveFilePicker" in globalThis;

export class AcquireForm {
  #form = byId("acquire-form", HTMLFormElement);
  #what = byId("acquire-what", HTMLSelectElement);
  #name = byId("acquire-name", HTMLInputElement);
  /** The name that was suggested last: another one is the examiner's. */ #suggested = "";
  /** By value of the option. @type {Map<string, Choice>} */ #choices = new Map();
  #diskName = "";

  /** @param {() => void} onSubmit in the click's own time, so that it may ask for a file */
  constructor(onSubmit) {
    byId("acquire-file-choice", HTMLElement).hidden = !picks;
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      onSubmit();
    });
    this.#form.addEventListener("change", (event) => {
      if (event.target !== this.#name) this.#suggest();
    });
  }

  /** @param {Session} session */
  show({ name, device, layout }) {
    this.#diskName = name;
    const parts = layout.parts.filter(({ kind, length, offset }) => length > 0 && offset < device.size && (kind === "partition" || kind === "unallocated")).slice(0, maxParts);
    this.#choices = new Map([["disk", { offset: 0, length: device.size, name: "" }]]);
    this.#what.replaceChildren(option("disk", `The whole disk, ${humanSize(device.size)}`));
    for (const [i, part] of parts.entries()) this.#add(`part-${i}`, { offset: part.offset, length: Math.min(part.length, device.size - part.offset), name: titleOf(part) });
    this.#suggest();
    this.showRoom();
  }

  /** @param {string} value @param {Choice} choice */
  #add(value, choice) {
    this.#choices.set(value, choice);
    this.#what.append(option(value, `${visible(choice.name)}, ${humanSize(choice.length)}`));
  }

  /** @param {Stretch} what a stretch of the disk that is shown */
  choose({ name, device, offset = 0, length = device.size - offset }) {
    const known = [...this.#choices].find(([, c]) => c.offset === offset && c.length === length);
    if (!known) {
      this.#what.querySelector('[value="other"]')?.remove();
      this.#add("other", { offset, length, name });
    }
    this.#what.value = known?.[0] ?? "other";
    this.#suggest();
    this.#what.focus();
  }

  async showRoom() {
    const room = await roomLeft();
    byId("acquire-room", HTMLElement).textContent = Number.isFinite(room) ? `The browser offers about ${humanSize(room)}.` : "";
  }

  #suggest() {
    const { name } = this.#choice();
    const suggestion = imageName(`${this.#diskName} ${name}`.trim(), this.#format(), new Date());
    if (this.#name.value === this.#suggested || this.#name.value === "") this.#name.value = suggestion;
    this.#suggested = suggestion;
  }

  /** @returns {Choice} */
  #choice() {
    return this.#choices.get(this.#what.value) ?? { offset: 0, length: 0, name: "" };
  }

  #format() {
    return /** @type {"raw" | "zstd"} */ (chosen(this.#form, "acquire-format"));
  }

  /** Whether it goes straight into a file. */
  get intoFile() { return picks && chosen(this.#form, "acquire-place") === "file"; }

  /**
   * @returns {Wish}
   * @throws {FieldError}
   */
  read() {
    const { offset, length } = this.#choice();
    const named = this.#name.value.trim();
    if (!named) throw new FieldError("acquire-name", "Say how the image’s file is to be called.");
    const name = safeName(named); // as the file is called in the end: the log is to say the same
    const hashes = /** @type {Wish["hashes"]} */ (checked("acquire-hashes"));
    if (hashes.length === 0) throw new FieldError("acquire-sha256", "Choose a hash: without one, nobody can tell later whether the image is still what was acquired.");
    const retries = byId("acquire-retries", HTMLInputElement);
    if (!retries.checkValidity() || retries.value === "") throw new FieldError("acquire-retries", "Tries after a failure are a whole number from 0 to 100.");
    return {
      offset, length, name, hashes, retries: Number(retries.value), format: this.#format(),
      smallest: Number(byId("acquire-smallest", HTMLSelectElement).value), skipHoles: byId("acquire-holes", HTMLInputElement).checked,
      passes: /** @type {Wish["passes"]} */ (checked("acquire-passes")), case: readCase(),
    };
  }
}

/** @returns {Wish["case"]} */
function readCase() {
  const text = (/** @type {string} */ id) => (/** @type {HTMLInputElement} */ (byId(`case-${id}`, HTMLElement))).value.trim();
  return { number: text("number"), evidence: text("evidence"), examiner: text("examiner"), description: text("description"), notes: text("notes") };
}

/** @param {HTMLFormElement} form @param {string} name of its radio buttons */
function chosen(form, name) {
  return String(new FormData(form).get(name));
}

/** @param {string} id of what has the boxes */
function checked(id) {
  const boxes = /** @type {NodeListOf<HTMLInputElement>} */ (byId(id, HTMLElement).querySelectorAll("input:checked"));
  return [...boxes].map(({ value }) => value);
}

/** @param {string} value @param {string} text */
function option(value, text) {
  const made = element("option", text);
  made.value = value;
  return made;
}
