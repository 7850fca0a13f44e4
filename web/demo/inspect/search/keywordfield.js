// The field for a list of keywords, and the file that fills it.
import { byId } from "../../page/dom.js";
import { keywordsIn, keywordsOf } from "./keywords.js";
import { NeedleError } from "./needles.js";

export class KeywordField {
  #box = byId("keywords-box", HTMLDetailsElement);
  #field = byId("keywords", HTMLTextAreaElement);
  #file = byId("keywords-file", HTMLInputElement);
  #note = byId("keywords-note", HTMLElement);

  constructor() {
    byId("keywords-import", HTMLButtonElement).addEventListener("click", () => this.#file.click());
    this.#file.addEventListener("change", () => { this.#load(); });
    this.#field.addEventListener("input", () => this.#blame(""));
  }

  /**
   * @param {import("./needles.js").NeedleKind} kind
   * @param {boolean} ignoreCase
   * @returns {import("./keywords.js").Keyword[] | undefined} nothing if a line can't be meant, which is shown
   */
  read(kind, ignoreCase) {
    try {
      this.#blame("");
      return keywordsOf(this.#field.value, kind, ignoreCase);
    } catch (error) {
      if (!(error instanceof NeedleError)) throw error;
      this.#blame(error.message);
      this.#box.open = true;
      this.#field.reportValidity();
      return undefined;
    }
  }

  async #load() {
    const file = this.#file.files?.[0];
    if (!file) return;
    try {
      this.#field.value = await keywordsIn(file);
      this.#blame("");
      this.#note.textContent = "The list is that of the file now.";
    } catch (error) {
      if (!(error instanceof NeedleError)) throw error;
      this.#note.textContent = error.message;
    }
    this.#file.value = ""; // the same one may be chosen again
  }

  /** @param {string} message */
  #blame(message) {
    this.#field.setCustomValidity(message);
    this.#note.textContent = message;
  }
}
