// How to boot: what the form says beside where the disk is.
import { byId } from "../page/dom.js";
import { keepsFiles } from "./files.js";

/**
 * @typedef {object} Choice
 * @property {"disk" | "cdrom"} media
 * @property {"keep" | "forget" | "through"} writes where the guest's writes go:
 *   into this browser's storage, into memory, or to the export
 * @property {number} memory of the machine, in bytes
 */

/**
 * Puts the fields into the form.
 * @param {HTMLElement} slot
 */
export function addChoice(slot) {
  slot.append(byId("choice", HTMLTemplateElement).content.cloneNode(true));
  const writes = byId("writes", HTMLSelectElement);
  writes.addEventListener("change", show);
  if (keepsFiles()) return show();
  for (const option of writes.options) if (option.value === "keep") option.disabled = true;
  writes.value = "forget";
  byId("keep-hint", HTMLElement).hidden = false;
  show();
}

function show() {
  byId("through-hint", HTMLElement).hidden = byId("writes", HTMLSelectElement).value !== "through";
}

/** @returns {Choice} */
export function readChoice() {
  return {
    media: /** @type {Choice["media"]} */ (byId("media", HTMLSelectElement).value),
    writes: /** @type {Choice["writes"]} */ (byId("writes", HTMLSelectElement).value),
    memory: Number(byId("memory", HTMLSelectElement).value) * 2 ** 20,
  };
}
