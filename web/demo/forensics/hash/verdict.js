// Says loudly whether values are what they should be: in words, with a sign, and
// only then by a colour.
import { element } from "../../page/dom.js";
import { algorithms, compare } from "./expected.js";
import { words } from "./results.js";

/**
 * @param {HTMLElement} box
 * @param {import("./expected.js").Sums} found
 * @param {import("./expected.js").Sums} expected
 * @param {import("./results.js").Of} of
 */
export function showVerdict(box, found, expected, of) {
  const all = compare(found, expected);
  const equal = all.every((c) => c.equal);
  box.className = all.length === 0 ? "verdict" : `verdict ${equal ? "equal" : "different"}`;
  if (all.length === 0) return box.replaceChildren();
  const sign = element("span", equal ? "=" : "≠", "sign");
  sign.ariaHidden = "true";
  const text = element("div");
  text.append(element("strong", equal ? words[of].equal : words[of].different), ...all.map(line));
  box.replaceChildren(sign, text);
}

/** @param {ReturnType<typeof compare>[number]} compared */
function line({ name, found, expected, equal }) {
  const { title } = algorithms[name];
  const made = element("p", equal ? `${title} is ` : `${title} should be `);
  made.append(element("span", equal ? found : expected, "name"));
  if (!equal) made.append(" and is ", element("span", found, "name"));
  return made;
}
