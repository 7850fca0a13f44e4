// The head of every page: what the site is, and the way to its other pages.
import { element } from "./dom.js";
import { formatLink } from "./link.js";

/** Paths of the pages, from the folder of the demo. */
const PAGES = [
  { path: "", name: "Disk" },
  { path: "vm/", name: "Boot" },
  { path: "inspect/", name: "Inspect" },
  { path: "forensics/", name: "Forensics" },
];

const root = new URL("../", import.meta.url);

/**
 * Puts the head into the page's header.
 * @param {string} says what the page does, in one sentence
 * @param {() => import("./link.js").Link} link what is taken along to the other
 *   pages: where the form leads, and nothing that is secret
 */
export function startMasthead(says, link) {
  const header = document.querySelector("header");
  if (!header) throw new Error("the page has no header");
  header.className = "masthead";
  const title = element("div");
  const icon = element("img");
  icon.src = new URL("icon.svg", import.meta.url).href;
  icon.alt = "";
  title.append(icon, element("h1", "nbdbridge"), element("p", says));
  const nav = element("nav");
  nav.setAttribute("aria-label", "Pages");
  nav.append(...PAGES.map((page) => anchor(page, link)));
  header.replaceChildren(title, nav);
}

/**
 * @param {{path: string, name: string}} page
 * @param {() => import("./link.js").Link} link
 */
function anchor({ path, name }, link) {
  const made = element("a", name);
  const url = new URL(path, root);
  made.href = url.href;
  if (url.pathname === location.pathname.replace(/index\.html$/, "")) made.setAttribute("aria-current", "page");
  // As late as can be: by then the form leads somewhere.
  for (const type of ["pointerdown", "focus"]) made.addEventListener(type, () => { made.href = url.href + formatLink(link()); });
  return made;
}
