// Forensics: reads a disk as evidence, and writes nothing to it.
import { readOnlyView } from "../../client/layers/index.js";
import { byId } from "../page/dom.js";
import { startDiskPage } from "../inspect/page.js";
import { Acquisitions } from "./acquire/index.js";
import { Hashing } from "./hash/index.js";
import { showReadOnly, startReadOnly } from "./readonly/index.js";
import { ownOf } from "./session.js";

/** @typedef {import("./session.js").Session} Session */
/** @typedef {import("../inspect/page.js").DiskPage<Session>} Page */

/** What needs an open disk to be of use; the rest keeps what it has found. */
const ended = ["disconnect", "overview", "files", "bytes", "search"];

/** @param {Page} page @returns {import("../inspect/page.js").Beside<Session>} */
function make(page) {
  startReadOnly();
  const hashing = new Hashing(page.report);
  const acquisitions = new Acquisitions(page.report);
  const jobs = [
    { word: "Hash", takesFiles: true, take: taking(page, "tab-hash", hashing) },
    { word: "Acquire", takesFiles: false, take: taking(page, "tab-acquire", acquisitions) },
  ];
  return {
    // From here on nobody has the disk but who tells of its end and its outages.
    begin: (disk, place) => ({ device: readOnlyView(disk), jobs, ...ownOf(disk, place) }),
    show: (session) => {
      showReadOnly(session.facts());
      hashing.show(session);
      acquisitions.show(session);
    },
    close: () => {
      hashing.close();
      acquisitions.close();
    },
    meanwhile: "What is under way waits, and goes on by itself.",
    ended: ended.map((id) => byId(id, HTMLElement)),
  };
}

/**
 * Shows a tab, and hands over what was chosen elsewhere.
 * @param {Page} page
 * @param {string} tab
 * @param {{choose: (what: import("./session.js").Stretch) => void}} taker
 */
function taking(page, tab, taker) {
  return (/** @type {import("./session.js").Stretch} */ what) => {
    page.showTab(tab, true);
    taker.choose(what);
  };
}

startDiskPage({
  says: "Examine a disk as evidence: hash it, search it, acquire it. This page reads, and never writes to the disk.",
  action: "Examine",
  make,
});
