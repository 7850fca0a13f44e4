// What an acquisition has come to: hashes, passes, the log, and all of it as files.
import { textOf } from "../../../client/evidence/index.js";
import { byId, element } from "../../page/dom.js";
import { ProgressBar } from "../../page/progress.js";
import { visible } from "../../page/text.js";
import { KeyPanel } from "./keypanel.js";
import { saveImage, saveLog, saveSignature, saveText } from "./saving.js";
import { passNames } from "./view.js";

/** @typedef {import("./acquisition.js").Acquisition} Acquisition */
/** @typedef {import("./acquisition.js").PassOf} PassOf */
/** @typedef {import("../../../client/evidence/index.js").Log} Log */
/** @typedef {import("../session.js").Session} Session */

/** Characters of the log that are shown: all of it is in the file. */
const shownText = 200_000;
const titles = /** @type {Record<string, string>} */ ({ md5: "MD5", sha1: "SHA-1", sha256: "SHA-256", sha512: "SHA-512" });

export class Result {
  #box = byId("result", HTMLElement);
  #status = byId("result-status", HTMLElement);
  #logBox = byId("log-box", HTMLDetailsElement);
  #logText = byId("log-text", HTMLElement);
  #progress = new ProgressBar();
  #report;
  #key;
  /** @type {Acquisition | undefined} */ #acquisition;
  /** Whose text is shown. @type {Log | undefined} */ #read;

  /**
   * @param {(what: string, error: unknown) => void} report
   * @param {(of: PassOf) => void} check
   */
  constructor(report, check) {
    this.#report = report;
    this.#key = new KeyPanel(report, () => this.#showSaves());
    byId("result-progress", HTMLElement).replaceWith(this.#progress.element);
    for (const of of /** @type {const} */ (["image", "export"])) byId(`pass-${of}`, HTMLButtonElement).addEventListener("click", () => check(of));
    this.#on("save-image", "The image is saved.", (acquisition) => this.#progress.run(`Saving ${visible(acquisition.name)}`, (signal, onProgress) => saveImage(acquisition, { signal, onProgress })));
    this.#on("save-log", "The log is saved.", (acquisition) => saveLog(acquisition, this.#key.key));
    this.#on("save-text", "The log is saved, to be read.", (acquisition) => saveText(acquisition, this.#key.key));
    this.#on("save-signature", "The signature is saved.", async (acquisition) => {
      const fits = this.#key.key && await saveSignature(acquisition, this.#key.key);
      return fits ? "" : "It is of the log as it is now: save the log again, and keep that with it.";
    });
    this.#logBox.addEventListener("toggle", () => { this.#showLog(); });
  }

  /** @param {string} id @param {string} done @param {(acquisition: Acquisition) => Promise<string | void>} work whose words are told too */
  #on(id, done, work) {
    byId(id, HTMLButtonElement).addEventListener("click", async () => {
      const acquisition = this.#acquisition;
      if (!acquisition) return;
      this.#status.textContent = "";
      try {
        const more = await work(acquisition);
        this.#status.textContent = more ? `${done} ${more}` : done;
      } catch (/** @type {any} */ error) {
        if (error?.name !== "AbortError") this.#report("It was not saved.", error);
      }
    });
  }

  /**
   * @param {Acquisition | undefined} acquisition
   * @param {Session | undefined} session
   */
  show(acquisition, session) {
    if (acquisition !== this.#acquisition) this.#status.textContent = "";
    this.#acquisition = acquisition;
    const log = acquisition?.busy ? undefined : acquisition?.log;
    this.#box.hidden = !log;
    if (!acquisition || !log) return;
    const complete = acquisition.phase === "complete";
    byId("result-body", HTMLElement).replaceChildren(...log.settings.hashes.map((name) => hashRow(name, log)));
    byId("result-hashes", HTMLElement).hidden = !complete;
    byId("result-passes", HTMLElement).hidden = !complete || acquisition.saving;
    byId("pass-export", HTMLButtonElement).disabled = !session || Boolean(acquisition.obstacle(session));
    this.#showSaves();
    this.#showLog();
  }

  #showSaves() {
    const complete = this.#acquisition?.phase === "complete";
    byId("save-image", HTMLElement).hidden = !complete || !this.#acquisition?.place.kept;
    byId("save-signature", HTMLElement).hidden = !this.#key.key;
  }

  async #showLog() {
    const log = this.#acquisition?.log;
    if (!this.#logBox.open || !log || this.#read === log) return;
    this.#read = log;
    this.#logText.textContent = ""; // that of another one would be taken for this one
    const text = await textOf(log).catch((error) => String(error));
    const shown = text.slice(0, shownText).split("\n").map(visible).join("\n");
    if (this.#read === log) this.#logText.textContent = shown.length < text.length ? `${shown}\n… The rest is in the saved log.` : shown;
  }
}

/** @param {string} name @param {Log} log */
function hashRow(name, log) {
  const row = element("tr");
  const title = element("th", titles[name] ?? name);
  title.scope = "row";
  row.append(title, element("td", log.hashes[name] ?? ""), ...(/** @type {const} */ (["image", "export"])).map((of) => passCell(log, of, name)));
  return row;
}

/** @param {Log} log @param {PassOf} of @param {string} name */
function passCell(log, of, name) {
  const last = log.passes.findLast((pass) => pass.of === of);
  if (!last) return element("td", "not read");
  if (last.failed) return element("td", `Failed: ${visible(last.failed)}`, "danger");
  return last.hashes[name] === log.hashes[name] ? element("td", "the same", "equal") : element("td", `ANOTHER: ${last.hashes[name]}. A reading of ${passNames[of]} gave other bytes.`, "danger");
}
