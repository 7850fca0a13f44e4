// The clipboard.

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
  if (!done) throw new Error("The browser does not let this page copy.");
}
