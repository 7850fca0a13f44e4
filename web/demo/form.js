// The connection form: what the user says, as arguments of open() and list().
import { byId } from "./dom.js";

/**
 * @typedef {object} Place where and how to connect
 * @property {string} url of the bridge and the target
 * @property {string} exportName empty for the default export
 * @property {import("../client/index.js").TlsOptions} tls
 */

/** A field that can't be meant; the message is for the user. */
export class FieldError extends Error {
  /**
   * @param {string} id of the field
   * @param {string} message
   */
  constructor(id, message) {
    super(message);
    this.id = id;
  }
}

// A CA bundle has a few hundred KiB at most.
const MAX_PEM_FILE = 1 << 20; // bytes

const bridge = byId("bridge", HTMLInputElement);
const target = byId("target", HTMLInputElement);
const exportName = byId("export", HTMLInputElement);
const trust = byId("trust", HTMLDetailsElement);
const mode = byId("mode", HTMLSelectElement);
const tls = byId("tls", HTMLFieldSetElement);
const serverName = byId("server-name", HTMLInputElement);
const ca = byId("ca", HTMLTextAreaElement);
const caFile = byId("ca-file", HTMLInputElement);
const pins = byId("pins", HTMLTextAreaElement);
const insecure = byId("insecure", HTMLInputElement);
const cert = byId("cert", HTMLTextAreaElement);
const key = byId("key", HTMLTextAreaElement);

/**
 * Makes the form ready.
 * @param {(error: unknown) => void} onError told of files that can't be read
 */
export function startForm(onError) {
  bridge.value = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/nbd/`;
  mode.addEventListener("change", showMode);
  insecure.addEventListener("change", showMode);
  byId("connect", HTMLFormElement).addEventListener("input", clearMarks);
  for (const area of [ca, cert, key]) {
    const file = byId(`${area.id}-file`, HTMLInputElement);
    file.addEventListener("change", () => loadFile(file, area).catch(onError));
  }
  showMode(); // a browser may have kept the fields of an earlier visit
}

/** Shows what the chosen mode means, and closes the fields that it leaves unused. */
function showMode() {
  tls.disabled = mode.value === "off";
  byId("mode-hint", HTMLElement).hidden = mode.value !== "off";
  for (const field of [ca, caFile, pins]) field.disabled = insecure.checked;
}

/**
 * @param {HTMLInputElement} file
 * @param {HTMLTextAreaElement} area
 */
async function loadFile(file, area) {
  const chosen = file.files?.[0];
  if (!chosen) return;
  if (chosen.size > MAX_PEM_FILE) {
    throw new FieldError(file.id, `The file has ${chosen.size} bytes; a PEM file has 1 MiB at most.`);
  }
  area.value = await chosen.text();
}

/**
 * Fills the form; what is left out stays as it is.
 * @param {import("./local.js").LocalDemo} demo
 */
export function fillForm(demo) {
  target.value = demo.target;
  serverName.value = demo.serverName;
  ca.value = demo.ca;
  cert.value = demo.cert;
  key.value = demo.key;
  trust.open = false;
}

/**
 * What the form says now.
 * @returns {Place}
 * @throws {FieldError}
 */
export function readForm() {
  clearMarks();
  return { url: readURL(), exportName: exportName.value, tls: readTLS() };
}

function readURL() {
  const base = bridge.value.trim();
  if (!/^wss?:\/\/[^/]/i.test(base) || !URL.canParse(base)) {
    throw new FieldError("bridge", "The bridge URL must begin with ws:// or wss:// and a host name.");
  }
  if (/[?#]/.test(base)) {
    throw new FieldError("bridge", "The bridge URL can’t have a query or a fragment: the target’s name goes at its end.");
  }
  const name = target.value.trim();
  if (!name) throw new FieldError("target", "Say which target: a name that the bridge was given with --target.");
  return base.replace(/\/*$/, "/") + encodeURIComponent(name);
}

/** @returns {import("../client/index.js").TlsOptions} */
function readTLS() {
  if (mode.value === "off") return { mode: "off" };
  const identity = readIdentity();
  if (insecure.checked) return { mode: "require", insecure: true, ...optional({ serverName: serverName.value.trim() }), ...identity };
  const pinned = pins.value.split(/[\s,]+/).filter(Boolean);
  if (!ca.value.trim() && pinned.length === 0) {
    throw new FieldError("ca", "TLS needs to know whom to trust: give a CA certificate or a pin.");
  }
  if (ca.value.trim() && !serverName.value.trim()) {
    throw new FieldError("server-name", "With a CA, say the server name that the certificate must carry.");
  }
  const named = optional({ ca: ca.value.trim(), serverName: serverName.value.trim() });
  return { mode: "require", ...named, ...(pinned.length > 0 ? { pins: pinned } : {}), ...identity };
}

function readIdentity() {
  const identity = optional({ cert: cert.value.trim(), key: key.value.trim() });
  if (identity.cert && !identity.key) throw new FieldError("key", "A client certificate needs its private key.");
  if (identity.key && !identity.cert) throw new FieldError("cert", "A private key needs its client certificate.");
  return identity;
}

/**
 * Leaves out what is empty.
 * @template {Record<string, string>} T
 * @param {T} fields
 * @returns {Partial<T>}
 */
function optional(fields) {
  return /** @type {Partial<T>} */ (Object.fromEntries(Object.entries(fields).filter(([, text]) => text)));
}

function clearMarks() {
  for (const field of document.querySelectorAll("#connect [aria-invalid]")) field.removeAttribute("aria-invalid");
}

/**
 * Puts the focus on a field, opening what hides it, and marks it as wrong.
 * @param {string} id
 */
export function showField(id) {
  const field = byId(id, HTMLElement);
  for (let around = field.closest("details"); around; around = around.parentElement?.closest("details") ?? null) {
    around.open = true;
  }
  field.setAttribute("aria-invalid", "true");
  field.focus();
}
