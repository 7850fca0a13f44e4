// The examiner's key in the page: made, taken from a file, forgotten.
import { ask } from "../../page/ask.js";
import { byId, element } from "../../page/dom.js";
import { forgetKey, importKey, keepKey, keptKey, makeKey } from "./key.js";
import { savePublicKey } from "./saving.js";

/** @typedef {import("./key.js").ExaminerKey} ExaminerKey */

/** Bytes of a file with a key at most. */
const maxFile = 16 << 10;

export class KeyPanel {
  /** @type {ExaminerKey | undefined} */ key;
  #file = byId("key-file-input", HTMLInputElement);
  #report;
  #changed;

  /**
   * @param {(what: string, error: unknown) => void} report
   * @param {() => void} changed there is another key, or none any more
   */
  constructor(report, changed) {
    this.#report = report;
    this.#changed = changed;
    this.#on("key-make", "The key was not made.", async () => this.#take(await makeKey()));
    this.#on("key-public", "The public key was not saved.", async () => this.key && savePublicKey(this.key));
    this.#on("key-forget", "The key was not forgotten.", () => this.#forget());
    byId("key-import", HTMLButtonElement).addEventListener("click", () => this.#file.click());
    this.#file.addEventListener("change", () => this.#try("The key was not read.", () => this.#import()));
    this.#show();
    if (isSecureContext) this.#try("The key of this browser could not be read.", async () => this.#use(await keptKey()));
  }

  /** @param {string} id @param {string} failed @param {() => Promise<unknown>} work */
  #on(id, failed, work) {
    byId(id, HTMLButtonElement).addEventListener("click", () => this.#try(failed, work));
  }

  /** @param {string} failed @param {() => Promise<unknown>} work */
  async #try(failed, work) {
    await work().catch((error) => {
      if (error?.name !== "AbortError") this.#report(failed, error);
    });
  }

  /** @param {ExaminerKey} key */
  async #take(key) {
    await keepKey(key);
    this.#use(key);
  }

  async #import() {
    const chosen = this.#file.files?.[0];
    this.#file.value = "";
    if (chosen) await this.#take(await importKey(await chosen.slice(0, maxFile).text()));
  }

  async #forget() {
    if (!await ask("Forget the key?", "What it has signed stays signed. Nothing can be signed with it any more, unless it is in a file too.", { yes: "Forget the key", danger: true })) return;
    await forgetKey();
    this.#use(undefined);
  }

  /** @param {ExaminerKey | undefined} key */
  #use(key) {
    this.key = key;
    this.#show();
    this.#changed();
  }

  #show() {
    const { key } = this;
    byId("key-status", HTMLElement).textContent = key
      ? "Logs that are saved name this key, and their signatures are made with it. It is kept in this browser, which can’t give it away. Who checks a signature needs the public key from you."
      : "No key: logs are saved without a signature. A key of elliptic curve P-256 can be made here, or come from a file (PKCS #8, PEM).";
    byId("key-facts", HTMLElement).replaceChildren(...key ? [element("dt", "SHA-256 of the public key"), element("dd", key.fingerprint, "name")] : []);
    for (const id of ["key-public", "key-forget"]) byId(id, HTMLElement).hidden = !key;
    for (const id of ["key-make", "key-import"]) byId(id, HTMLElement).hidden = Boolean(key);
  }
}
