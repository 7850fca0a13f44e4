// Text from and about servers, made fit to be read.

/**
 * Makes visible what would not show, or would change how the rest shows:
 * control characters, direction marks, odd spaces. Each becomes its code
 * point, such as ⟨001B⟩.
 * @param {string} text
 * @returns {string}
 */
export function visible(text) {
  return text.replace(/[\p{C}\p{Zl}\p{Zp}]|(?! )\p{Zs}/gu, (c) => {
    const code = (c.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0");
    return `\u27E8${code}\u27E9`;
  });
}

const UNITS = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB"];

/**
 * A size in bytes as people say it: 1536 is "1.5 KiB".
 * @param {number} bytes
 * @returns {string}
 */
export function humanSize(bytes) {
  if (bytes === 1) return "1 byte";
  let unit = 0;
  while (bytes >= 1024 && unit < UNITS.length - 1) {
    bytes /= 1024;
    unit++;
  }
  return `${Number(bytes.toFixed(bytes < 10 ? 2 : 1))} ${UNITS[unit]}`;
}

/**
 * A whole number with its thousands apart.
 * @param {number} n
 * @returns {string}
 */
export function grouped(n) {
  return n.toLocaleString("en").replaceAll(",", "\u202F");
}

/**
 * A rate as people say it, such as "1.5 MiB/s".
 * @param {number} bytesPerSecond
 */
export function rate(bytesPerSecond) {
  return `${humanSize(Math.round(bytesPerSecond))}/s`;
}

/** @type {readonly [seconds: number, name: string][]} */
const SPANS = [[86400, "day"], [3600, "hour"], [60, "minute"], [1, "second"]];

/**
 * A time in words, by its two largest units: 3725000 is "1 hour 2 minutes".
 * @param {number} milliseconds
 * @returns {string}
 */
export function duration(milliseconds) {
  let seconds = Math.max(1, Math.round(milliseconds / 1000));
  const words = [];
  for (const [span, name] of SPANS) {
    const count = Math.floor(seconds / span);
    if (count > 0) words.push(`${count} ${name}${count === 1 ? "" : "s"}`);
    else if (words.length > 0) break;
    seconds -= count * span;
    if (words.length === 2) break;
  }
  return words.join(" ");
}
