// Tabs: one section of the page in sight at a time.

/**
 * @param {HTMLElement} list of elements with role="tab", each with aria-controls
 * @returns {(id: string, focus?: boolean) => void} shows the tab with this id
 */
export function startTabs(list) {
  const tabs = /** @type {HTMLElement[]} */ ([...list.querySelectorAll('[role="tab"]')]);
  const show = (/** @type {string} */ id, focus = false) => {
    for (const tab of tabs) {
      const chosen = tab.id === id;
      tab.setAttribute("aria-selected", String(chosen));
      tab.tabIndex = chosen ? 0 : -1;
      const panel = document.getElementById(tab.getAttribute("aria-controls") ?? "");
      if (panel) panel.hidden = !chosen;
      if (chosen && focus) tab.focus();
    }
  };
  for (const tab of tabs) tab.addEventListener("click", () => show(tab.id, true));
  list.addEventListener("keydown", (event) => {
    const at = tabs.findIndex((tab) => tab === document.activeElement);
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: tabs.length - 1 }[event.key];
    if (to === undefined || at < 0) return;
    event.preventDefault();
    show(tabs[(to + tabs.length) % tabs.length].id, true);
  });
  show(tabs[0].id);
  return show;
}
