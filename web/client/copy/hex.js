/** @param {Uint8Array} bytes */
export function hexOf(bytes) {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** @param {string} hex */
export function bytesOf(hex) {
  return Uint8Array.from(hex.match(/../g) ?? [], (digits) => parseInt(digits, 16));
}

/** @param {unknown} text @param {number} limit of its digits */
export function isHex(text, limit) {
  return typeof text === "string" && text.length <= limit && /^([\da-f]{2})+$/.test(text);
}
