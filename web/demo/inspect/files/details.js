// All that is known of one entry of a folder.
import { button, element } from "../../page/dom.js";
import { grouped, humanSize, visible } from "../../page/text.js";
import { timeText } from "./time.js";

/** @typedef {import("../../../client/inspect/index.js").Details} Details */

/** Extents that are shown; there may be thousands. */
const maxExtents = 64;

/**
 * What can be done with an entry.
 * @typedef {object} Ways
 * @property {(stream: string) => void} save
 * @property {(disk: number, length: number) => void} bytes of the volume
 */

/**
 * @param {string} path
 * @param {Details} details
 * @param {Ways} ways
 * @returns {Node[]}
 */
export function detailsOf(path, details, ways) {
  const list = element("dl", "", "facts");
  for (const [label, value] of facts(path, details)) {
    const shown = element("dd");
    shown.append(value);
    list.append(element("dt", label), shown);
  }
  return [list, ...problems(details), ...streams(details, ways), ...extents(details, ways)];
}

/** @param {string} path @param {Details} details @returns {[string, string | Node][]} */
function facts(path, { type, size, allocated, mode, owner, attributes, links, target, device, id, times }) {
  /** @type {[string, string | Node | undefined | false][]} */
  const all = [
    ["Path", element("span", visible(path), "name")],
    ["Kind", type],
    ["Size", type === "file" && `${grouped(size)} bytes (${humanSize(size)})`],
    ["On the disk", humanSize(allocated)],
    ["Leads to", target !== undefined && element("span", visible(target), "name")],
    ["Device", device],
    ["Mode", mode && element("span", mode, "name")],
    ["Owner", owner && visible(owner.group ? `${owner.user}, group ${owner.group}` : owner.user)],
    ["Attributes", attributes?.join(", ")],
    ["Names", links ? (links === 1 ? "1" : `${grouped(links)} (hard links)`) : undefined],
    ["Number", id ? String(id) : undefined],
    ...(times ?? []).map((t) => /** @type {[string, string]} */ ([sentence(t.name ?? "time"), `${timeText(t)}${t.zone === "local" ? " (local clock, zone unknown)" : ""}${t.source ? `, ${t.source}` : ""}`])),
  ];
  return all.filter(/** @returns {fact is [string, string | Node]} */ (fact) => Boolean(fact[1]));
}

/** @param {string} word */
const sentence = (word) => word.charAt(0).toUpperCase() + word.slice(1);

/** @param {Details} details */
function problems({ problem, problems: more = [] }) {
  const all = [...problem ? [problem] : [], ...more];
  if (all.length === 0) return [];
  const list = element("ul", "", "problems");
  list.ariaLabel = "Problems";
  list.append(...all.map((text) => element("li", visible(text))));
  return [list];
}

/** @param {Details} details @param {Ways} ways */
function streams({ streams: all = [] }, ways) {
  if (all.length === 0) return [];
  const list = element("ul", "", "rows");
  list.append(...all.map(({ name, size }) => {
    const row = element("li");
    const save = button("Download", () => ways.save(name));
    save.ariaLabel = `Download the stream ${visible(name)}`;
    row.append(element("span", `${visible(name)}, ${humanSize(size)}`, "name"), save);
    return row;
  }));
  return [element("h4", "Streams beside the content"), list];
}

/** @param {Details} details @param {Ways} ways */
function extents({ extents: all = [], moreExtents }, ways) {
  if (all.length === 0) return [];
  const body = element("tbody");
  body.append(...all.slice(0, maxExtents).map((e) => extentRow(e, ways)));
  const table = element("table", "", "table");
  const head = element("tr");
  head.append(...["In the file", "In the volume", "Length", "Kind"].map((text, i) => Object.assign(element("th", text, i < 3 ? "number" : ""), { scope: "col" })));
  const thead = element("thead");
  thead.append(head);
  table.append(thead, body);
  const scroll = element("div", "", "scroll");
  scroll.append(table);
  const made = [element("h4", "Where it lies"), scroll];
  const left = all.length - maxExtents;
  if (left > 0 || moreExtents) made.push(element("p", `${grouped(Math.max(left, 0))}${moreExtents ? " and still" : ""} more pieces are not shown.`, "hint"));
  return made;
}

/** @param {import("../../../client/inspect/index.js").FileExtent} extent @param {Ways} ways */
function extentRow({ offset, length, disk, kind }, ways) {
  const row = element("tr");
  const place = element("td", disk < 0 ? "nowhere" : "", "number");
  if (disk >= 0) {
    const show = button(grouped(disk), () => ways.bytes(disk, length));
    show.className = "link";
    show.ariaLabel = `Show the bytes at ${grouped(disk)} of the volume`;
    place.append(show);
  }
  row.append(element("td", grouped(offset), "number"), place, element("td", grouped(length), "number"), element("td", kind));
  return row;
}
