// The pointer in the view of bytes: a mouse chooses, a finger scrolls.

/** Between two rows while the pointer is held outside of the view, in milliseconds. */
const scrollEvery = 40;
/** A finger that moves less than so many pixels has tapped. */
const tap = 8;

/**
 * @param {HTMLElement} grid
 * @param {import("./view.js").ByteView} view
 */
export function startPointer(grid, view) {
  grid.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    if (event.pointerType === "mouse" || event.pointerType === "pen") choose(grid, view, event);
    else slide(grid, view, event);
  });
}

/** @param {HTMLElement} grid @param {import("./view.js").ByteView} view @param {PointerEvent} event */
function choose(grid, view, event) {
  const offset = view.offsetAt(event.clientX, event.clientY);
  if (offset === undefined) return;
  event.preventDefault(); // no selection of text
  view.focus();
  view.move(offset, event.shiftKey);
  let [x, y] = [event.clientX, event.clientY];
  const timer = setInterval(() => {
    const { top, bottom } = grid.getBoundingClientRect();
    if (y >= top && y <= bottom) return;
    view.move(view.selection.cursor + (y < top ? -view.width : view.width), true);
  }, scrollEvery);
  follow(grid, event, (moved) => {
    [x, y] = [moved.clientX, moved.clientY];
    const under = view.offsetAt(x, y);
    if (under !== undefined) view.move(under, true);
  }, () => clearInterval(timer));
}

/** @param {HTMLElement} grid @param {import("./view.js").ByteView} view @param {PointerEvent} event */
function slide(grid, view, event) {
  let [last, far] = [event.clientY, 0];
  follow(grid, event, (moved) => {
    far = Math.max(far, Math.abs(moved.clientY - event.clientY));
    if (view.scroll.wheel(last - moved.clientY)) view.redraw();
    last = moved.clientY;
  }, () => {
    const offset = view.offsetAt(event.clientX, event.clientY);
    if (far < tap && offset !== undefined) view.move(offset, false);
  });
}

/**
 * Follows a pointer until it is let go, or taken away.
 * @param {HTMLElement} grid
 * @param {PointerEvent} event
 * @param {(event: PointerEvent) => void} move
 * @param {() => void} end
 */
function follow(grid, { pointerId }, move, end) {
  const controller = new AbortController();
  const { signal } = controller;
  grid.setPointerCapture(pointerId);
  const mine = (/** @type {(event: PointerEvent) => void} */ then) => (/** @type {PointerEvent} */ event) => { if (event.pointerId === pointerId) then(event); };
  grid.addEventListener("pointermove", mine(move), { signal });
  grid.addEventListener("lostpointercapture", mine(() => {
    controller.abort();
    end();
  }), { signal });
}
