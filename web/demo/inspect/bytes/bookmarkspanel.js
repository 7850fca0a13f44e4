// The list of bookmarks, and their ways in and out of the page.
import { button, byId, element } from "../../page/dom.js";
import { visible } from "../../page/text.js";
import { saveAs } from "../../../client/save/index.js";
import { Bookmarks, maxFile } from "./bookmarks.js";
import { hexOffset } from "./position.js";

/** @typedef {import("./view.js").ByteView} ByteView */

export class BookmarksPanel {
  #list = byId("bookmarks-list", HTMLUListElement);
  #note = byId("bookmarks-note", HTMLElement);
  #name = byId("bookmark-name", HTMLInputElement);
  #file = byId("bookmarks-file", HTMLInputElement);
  #view;
  #report;
  /** @type {Bookmarks | undefined} */ #bookmarks;

  /** @param {ByteView} view @param {(what: string, error: unknown) => void} report */
  constructor(view, report) {
    this.#view = view;
    this.#report = report;
    byId("bookmark-form", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
      this.#add();
    });
    byId("bookmarks-export", HTMLButtonElement).addEventListener("click", () => { this.#export(); });
    byId("bookmarks-import", HTMLButtonElement).addEventListener("click", () => this.#file.click());
    this.#file.addEventListener("change", () => { this.#import(); });
  }

  /** @param {import("../inspector.js").BlockDevice} device */
  show(device) {
    this.#bookmarks = new Bookmarks(device.identity, device.size, storage());
    this.#draw();
  }

  /** Goes to where a name is typed. */
  focus() {
    const details = this.#name.closest("details");
    if (details) details.open = true;
    this.#name.focus();
  }

  #add() {
    const { from, length } = this.#view.selection;
    this.#try("The bookmark was not kept.", (bookmarks) => bookmarks.add({ name: this.#name.value, offset: from, length }));
    this.#name.value = "";
  }

  /**
   * @param {string} failed
   * @param {(bookmarks: Bookmarks) => void} change
   */
  #try(failed, change) {
    if (!this.#bookmarks) return;
    try {
      change(this.#bookmarks);
    } catch (error) {
      this.#report(failed, error);
    }
    this.#draw();
  }

  async #export() {
    const text = JSON.stringify(this.#bookmarks, null, 2);
    await saveAs(new Blob([text]).stream(), "bookmarks.json")
      .catch((error) => { if (error?.name !== "AbortError") this.#report("The bookmarks were not saved.", error); });
  }

  async #import() {
    const chosen = this.#file.files?.[0];
    if (!chosen) return;
    const text = chosen.size <= maxFile ? await chosen.text() : "";
    this.#try("The bookmarks were not read.", (bookmarks) => {
      if (chosen.size > maxFile) throw new Error("The file is larger than 1 MiB; a file of bookmarks is not.");
      this.#note.textContent = `${bookmarks.load(text)} read from the file.`;
    });
    this.#file.value = "";
  }

  #draw() {
    const marks = this.#bookmarks?.list ?? [];
    this.#view.bookmarks = marks;
    this.#view.redraw();
    this.#list.replaceChildren(...marks.map((mark) => this.#item(mark)));
    this.#note.textContent = marks.length === 0 ? "None yet. A bookmark is of the bytes that are selected." : `${marks.length} of this disk, kept by this browser.`;
  }

  /** @param {import("./bookmarks.js").Bookmark} mark */
  #item(mark) {
    const made = element("li");
    const go = button("", () => { this.#view.show(mark.offset, mark.length); this.#view.focus(); });
    go.className = "link";
    go.append(element("span", visible(mark.name), "foreign"), " ", element("span", `0x${hexOffset(mark.offset)}`, "hint"));
    const remove = button("Delete", () => {
      this.#try("The bookmark was not deleted.", (bookmarks) => bookmarks.remove(mark));
      this.#name.focus();
    });
    remove.setAttribute("aria-label", `Delete bookmark ${visible(mark.name)}`);
    made.append(go, remove);
    return made;
  }
}

/** The browser's, or none where it allows none. */
function storage() {
  try {
    return localStorage;
  } catch {
    return { getItem: () => null, setItem() {} };
  }
}
