// The colours of the pages, as WCAG 2.2 counts contrast.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

const css = await readFile(new URL("../../demo/page/style.css", import.meta.url), "utf8");
const [light, dark] = [...css.matchAll(/:root \{([^}]*)\}/g)].map(([, rules]) => tokens(rules));
/** @type {Record<string, Record<string, string>>} */
const schemes = { light, dark: { ...light, ...dark } };

/** @param {string} rules @returns {Record<string, string>} */
function tokens(rules) {
  return Object.fromEntries([...rules.matchAll(/--([\w-]+): (#[0-9a-f]{6});/g)].map(([, name, colour]) => [name, colour]));
}

/** The relative luminance, section "relative luminance". @param {string} colour */
function luminance(colour) {
  const [r, g, b] = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16) / 255)
    .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/** @param {string} one @param {string} other */
function contrast(one, other) {
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}

/** What stands on what, and the least contrast: 4.5 for text, 3 for lines that one must see. */
const pairs = /** @type {[one: string, other: string, least: number][]} */ ([
  ...["text", "muted"].flatMap((text) => ["page", "surface", "sunken", "accent-soft", "notice-soft", "danger-soft"].map((ground) => [text, ground, 4.5])),
  ["accent", "page", 4.5], ["accent", "surface", 4.5], ["accent", "accent-soft", 4.5], ["on-accent", "accent", 4.5],
  ["danger", "surface", 4.5], ["danger", "danger-soft", 4.5],
  ["field-line", "surface", 3], ["field-line", "page", 3], ["notice-line", "notice-soft", 3],
  // Pictures: what happened stands out from nothing, and one kind from the next also in grey.
  ["data-1", "data-0", 3], ["data-3", "data-0", 2], ["data-2", "data-0", 1.5], ["data-1", "data-2", 2], ["data-2", "data-3", 1.3], ["data-1", "data-3", 1.3],
  ["on-data", "data-1", 4.5],
]);

for (const [scheme, colours] of Object.entries(schemes)) {
  test(`colours can be told apart in the ${scheme} scheme`, () => {
    const low = pairs.map(([one, other, least]) => ({ one, other, least, is: contrast(colours[one], colours[other]) }))
      .filter(({ is, least }) => !(is >= least)).map(({ one, other, least, is }) => `${one} on ${other}: ${is.toFixed(2)}, not ${least}`);
    assert.deepEqual(low, []);
  });
}

test("each colour of the dark scheme has one in the light scheme", () => {
  assert.deepEqual(Object.keys(dark).filter((name) => !(name in light)), []);
  assert.ok(Object.keys(dark).length > 15);
});
