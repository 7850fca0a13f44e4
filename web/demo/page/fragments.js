// Pieces of the page's markup that lie in files of their own, so that several
// pages have the same.

/**
 * What is in a file of markup, to be put into the page. It comes from the
 * page's own server, like the page.
 * @param {string | URL} url
 * @returns {Promise<DocumentFragment>}
 */
export async function fragment(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`A part of the page is missing on this page’s server: ${new URL(url, location.href).pathname}.`);
  const { body } = new DOMParser().parseFromString(await response.text(), "text/html");
  const made = document.createDocumentFragment();
  made.append(...body.children);
  return made;
}

/**
 * Fills every element that names a file in data-fragment, relative to the page.
 * Until then there is nothing in them to be found.
 * @returns {Promise<void>}
 */
export async function fillFragments() {
  const places = /** @type {HTMLElement[]} */ ([...document.querySelectorAll("[data-fragment]")]);
  await Promise.all(places.map(async (place) => place.append(await fragment(new URL(place.dataset.fragment ?? "", location.href)))));
}
