// Bytes as text for the clipboard.

/** The most that is copied, in bytes: more is for a file. */
export const maxCopy = 1 << 20;

/** @param {Uint8Array} bytes @returns {string} such as "55 aa" */
export function asHex(bytes) {
  return Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join(" ");
}

/** As UTF-8; what is none becomes U+FFFD. @param {Uint8Array} bytes @returns {string} */
export function asText(bytes) {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
}

/**
 * Puts text into the clipboard. Browsers have the newer way on safe origins alone.
 * @param {string} text
 * @returns {Promise<void>} rejects where the browser allows neither
 */
export async function copyText(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const field = document.createElement("textarea");
  field.value = text;
  field.className = "visually-hidden";
  const before = document.activeElement;
  document.body.append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  if (before instanceof HTMLElement) before.focus();
  if (!done) throw new Error("The browser does not let this page copy. Save the selection as a file instead.");
}
