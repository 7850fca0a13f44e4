// The connection form: what the user says, as arguments of open() and list().
import { byId } from "./dom.js";

/**
 * @typedef {object} Place where and how to connect
 * @property {string} url of the bridge and the target
 * @property {string} exportName empty for the default export
 * @property {import("../../client/index.js").TlsOptions} tls
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

/** The fields, as they are in connection.html. */
export class ConnectionForm {
  #bridge = byId("bridge", HTMLInputElement);
  #target = byId("target", HTMLInputElement);
  #exportName = byId("export", HTMLInputElement);
  #trust = byId("trust", HTMLDetailsElement);
  #mode = byId("mode", HTMLSelectElement);
  #tls = byId("tls", HTMLFieldSetElement);
  #serverName = byId("server-name", HTMLInputElement);
  #ca = byId("ca", HTMLTextAreaElement);
  #caFile = byId("ca-file", HTMLInputElement);
  #pins = byId("pins", HTMLTextAreaElement);
  #insecure = byId("insecure", HTMLInputElement);
  #cert = byId("cert", HTMLTextAreaElement);
  #key = byId("key", HTMLTextAreaElement);

  /**
   * Makes the form ready.
   * @param {(error: unknown) => void} onError told of files that can't be read
   */
  constructor(onError) {
    this.#bridge.value = ownBridge();
    for (const field of [this.#mode, this.#insecure]) field.addEventListener("change", () => this.#showMode());
    byId("connect", HTMLFormElement).addEventListener("input", clearMarks);
    for (const area of [this.#ca, this.#cert, this.#key]) {
      const file = byId(`${area.id}-file`, HTMLInputElement);
      file.addEventListener("change", () => loadFile(file, area).catch(onError));
    }
    this.#showMode(); // a browser may have kept the fields of an earlier visit
  }

  /** Shows what the chosen mode means, and closes the fields that it leaves unused. */
  #showMode() {
    this.#tls.disabled = this.#mode.value === "off";
    byId("mode-hint", HTMLElement).hidden = this.#mode.value !== "off";
    for (const field of [this.#ca, this.#caFile, this.#pins]) field.disabled = this.#insecure.checked;
  }

  /**
   * Fills the form; what is left out stays as it is.
   * @param {Partial<import("./local.js").LocalDemo>} demo
   */
  fill(demo) {
    this.#target.value = demo.target ?? this.#target.value;
    this.#exportName.value = demo.exportName ?? this.#exportName.value;
    this.#serverName.value = demo.serverName ?? this.#serverName.value;
    this.#ca.value = demo.ca ?? this.#ca.value;
    this.#cert.value = demo.cert ?? this.#cert.value;
    this.#key.value = demo.key ?? this.#key.value;
    this.#trust.open = !demo.ca;
  }

  /**
   * Fills in where a link leads. Without an export it leads to the default one.
   * @param {import("./link.js").Link} link
   */
  follow(link) {
    this.#bridge.value = link.bridge ?? this.#bridge.value;
    this.#target.value = link.target ?? this.#target.value;
    this.#exportName.value = link.exportName ?? "";
  }

  /**
   * Where it leads now, without what is secret.
   * @returns {import("./link.js").Link}
   */
  link() {
    const bridge = this.#bridge.value.trim();
    return { ...(bridge !== ownBridge() && { bridge }), target: this.#target.value.trim(), exportName: this.#exportName.value };
  }

  /**
   * What the form says now.
   * @returns {Place}
   * @throws {FieldError}
   */
  read() {
    clearMarks();
    return { url: this.#url(), exportName: this.#exportName.value, tls: this.#readTLS() };
  }

  #url() {
    const base = this.#bridge.value.trim();
    if (!/^wss?:\/\/[^/]/i.test(base) || !URL.canParse(base)) {
      throw new FieldError("bridge", "The bridge URL must begin with ws:// or wss:// and a host name.");
    }
    if (/^wss?:\/\/[^/]*@/i.test(base)) {
      throw new FieldError("bridge", "The bridge URL can’t have a user’s name or password: the bridge knows none.");
    }
    if (/[?#]/.test(base)) {
      throw new FieldError("bridge", "The bridge URL can’t have a query or a fragment: the target’s name goes at its end.");
    }
    const name = this.#target.value.trim();
    if (!name) throw new FieldError("target", "Say which target: a name that the bridge was given with --target.");
    return base.replace(/\/*$/, "/") + encodeURIComponent(name);
  }

  /** @returns {import("../../client/index.js").TlsOptions} */
  #readTLS() {
    if (this.#mode.value === "off") return { mode: "off" };
    const identity = this.#readIdentity();
    const serverName = this.#serverName.value.trim(), ca = this.#ca.value.trim();
    if (this.#insecure.checked) return { mode: "require", insecure: true, ...optional({ serverName }), ...identity };
    const pins = this.#pins.value.split(/[\s,]+/).filter(Boolean);
    if (!ca && pins.length === 0) throw new FieldError("ca", "TLS needs to know whom to trust: give a CA certificate or a pin.");
    if (ca && !serverName) throw new FieldError("server-name", "With a CA, say the server name that the certificate must carry.");
    return { mode: "require", ...optional({ ca, serverName }), ...(pins.length > 0 ? { pins } : {}), ...identity };
  }

  #readIdentity() {
    const identity = optional({ cert: this.#cert.value.trim(), key: this.#key.value.trim() });
    if (identity.cert && !identity.key) throw new FieldError("key", "A client certificate needs its private key.");
    if (identity.key && !identity.cert) throw new FieldError("cert", "A private key needs its client certificate.");
    return identity;
  }
}

/** The bridge that the page comes from, if it comes from one. */
export function ownBridge() {
  return `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/nbd/`;
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
