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
