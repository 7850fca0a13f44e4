// What stands beside the bytes: what they mean, and the structures in sight.
import { button, byId, element } from "../../page/dom.js";
import { visible } from "../../page/text.js";
import { meanings, reach } from "./meanings.js";
import { hexOffset } from "./position.js";

/** @typedef {import("./view.js").ByteView} ByteView */

export class Side {
  #meanings = byId("meanings-body", HTMLTableSectionElement);
  #structures = byId("structures-list", HTMLElement);
  #note = byId("structures-note", HTMLElement);
  #view;
  /** The structures that are listed. */
  #listed = "";

  /** @param {ByteView} view */
  constructor(view) {
    this.#view = view;
    this.#meanings.replaceChildren(...meanings(new Uint8Array(reach)).map(({ label, big }) => {
      const row = element("tr");
      const head = element("th", label);
      head.scope = "row";
      const value = element("td", "", "code");
      if (big === undefined) value.colSpan = 2;
      row.append(head, value, ...big === undefined ? [] : [element("td", "", "code")]);
      return row;
    }));
  }

  draw() {
    const { blocks, selection } = this.#view;
    const found = meanings(blocks?.bytesAt(selection.cursor, reach) ?? new Uint8Array());
    found.forEach(({ little, big }, i) => {
      const { cells } = this.#meanings.rows[i];
      setText(cells[1], visible(little));
      if (big !== undefined) setText(cells[2], visible(big));
    });
    this.#list();
  }

  #list() {
    const structures = this.#view.marks?.within(...this.#view.inSight()) ?? [];
    const key = structures.map(({ name, offset }) => `${name}@${offset}`).join();
    if (key === this.#listed) return;
    this.#listed = key;
    this.#note.hidden = structures.length > 0;
    this.#structures.replaceChildren(...structures.map((structure, i) => this.#structure(structure, i === 0)));
  }

  /** @param {import("../structures/index.js").Structure} structure @param {boolean} open */
  #structure({ name, offset, fields }, open) {
    const made = element("details");
    made.open = open;
    made.append(element("summary", `${name} at 0x${hexOffset(offset)}`));
    const list = element("ul", "", "fields");
    list.append(...fields.map((field, i) => this.#field(field, i % 4)));
    made.append(list);
    return made;
  }

  /** @param {import("../structures/index.js").Field} field @param {number} colour */
  #field({ offset, length, name, value }, colour) {
    const item = element("li");
    const go = button("", () => { this.#view.show(offset, length); this.#view.focus(); });
    go.className = "link";
    go.append(element("span", name, `field-${colour}`));
    item.append(go);
    if (value) item.append(element("span", visible(value), "code foreign"));
    return item;
  }
}

/** @param {HTMLElement} cell @param {string} text */
function setText(cell, text) {
  if (cell.textContent !== text) cell.textContent = text;
}
