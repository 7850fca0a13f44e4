// Says who keeps this disk from being written, and who does not.
import { byId } from "../../page/dom.js";

/** By what the server says. */
const flags = {
  readOnly: {
    mark: "The server exports it read-only",
    note: "",
    does: "Is set: the server says that it refuses writes to this export, whichever client sends them.",
  },
  writable: {
    mark: "The server would accept writes",
    note: "This page sends none, but the server would let another client write. For evidence, have the disk exported read-only: nbdkit --readonly, qemu-nbd --read-only, readonly = true of nbd-server.",
    does: "Is not set: nothing at the server keeps its clients from writing to this export.",
  },
};

const bridge = {
  encrypted: "Tell a write from a read, or stop one: all is encrypted up to the server, and the bridge sees no commands.",
  plain: "Be trusted: without encryption it sees every command, and can change or add any, also writes.",
};

/** The table is open where there is room for it. */
export function startReadOnly() {
  byId("enforces", HTMLDetailsElement).open = matchMedia("(min-width: 48rem)").matches;
}

/** @param {Pick<import("../session.js").Facts, "features" | "tls">} facts */
export function showReadOnly({ features, tls }) {
  const { mark, note, does } = flags[features.writable ? "writable" : "readOnly"];
  const flag = byId("server-flag", HTMLElement);
  flag.textContent = mark;
  flag.classList.toggle("danger", features.writable);
  const advice = byId("server-flag-note", HTMLElement);
  advice.textContent = note;
  advice.hidden = note === "";
  byId("enforces-flag", HTMLElement).textContent = does;
  byId("enforces-bridge", HTMLElement).textContent = tls ? bridge.encrypted : bridge.plain;
}
