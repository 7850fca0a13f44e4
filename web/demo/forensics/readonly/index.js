// Says who keeps this disk from being written, and who does not.
import { byId } from "../../page/dom.js";

/** By whether the server would take writes. */
const flags = {
  readOnly: {
    mark: "The server exports it read-only",
    note: "The server says that it refuses writes to this export, whoever sends them over NBD.",
    does: "Is set: the server says that it refuses writes to this export, from every client.",
  },
  writable: {
    mark: "The server would accept writes",
    note: "This page sends none, but the server would let this client, or another, write. For evidence, have the disk exported read-only: with nbdkit --readonly, qemu-nbd --read-only, or readonly = true of nbd-server.",
    does: "Is not set: nothing on the server’s side keeps clients from writing to this export.",
  },
};

const bridge = {
  encrypted: "Tell a write from a read, or stop one: between this page and the server everything is encrypted, and the bridge sees no commands.",
  plain: "Be trusted here: without encryption it sees every command and can change or add any, also writes.",
};

/** @param {Pick<import("../session.js").Facts, "features" | "tls">} facts */
export function showReadOnly({ features, tls }) {
  const { mark, note, does } = flags[features.writable ? "writable" : "readOnly"];
  const shown = byId("server-flag", HTMLElement);
  shown.textContent = mark;
  shown.classList.toggle("danger", features.writable);
  byId("server-flag-note", HTMLElement).textContent = note;
  byId("enforces-flag", HTMLElement).textContent = does;
  byId("enforces-bridge", HTMLElement).textContent = tls ? bridge.encrypted : bridge.plain;
}
