/**
 * What a page does for data that is not safe yet.
 * @typedef {object} Guard
 * @property {(atRisk: boolean) => void} risk tells whether something would be
 *   lost if the page ended now
 * @property {() => void} end to be called when there is nothing to guard any more
 */

/** Where there is no page, as in a Worker or in Node. @type {Guard} */
const none = { risk() {}, end() {} };

/**
 * Guards what a page has written and not made durable. While data is at risk
 * it holds a Web Lock, which keeps browsers from freezing a hidden tab, and
 * when the page is hidden for good or frozen, it flushes. When the page is
 * back, or the machine is online again, it checks. Both are called without
 * anybody waiting for them, and their failures are theirs to tell.
 * @param {{flush: () => Promise<unknown>, check?: () => Promise<unknown>}} what
 * @returns {Guard}
 */
export function guard({ flush, check }) {
  if (typeof window === "undefined" || typeof document === "undefined") return none;
  const lock = new RiskLock();
  let ended = false;
  const onGoing = () => { if (lock.held) flush().catch(() => {}); };
  const onBack = () => { check?.().catch(() => {}); };
  const onShow = (/** @type {Event} */ event) => { if (/** @type {PageTransitionEvent} */ (event).persisted) onBack(); };
  /** @type {[EventTarget, string, (event: Event) => void][]} */
  const listeners = [
    [window, "pagehide", onGoing], [document, "freeze", onGoing],
    [window, "pageshow", onShow], [document, "resume", onBack], [window, "online", onBack],
  ];
  for (const [target, type, listener] of listeners) target.addEventListener(type, listener);
  return {
    risk: (atRisk) => lock.hold(atRisk && !ended),
    end() {
      ended = true;
      for (const [target, type, listener] of listeners) target.removeEventListener(type, listener);
      lock.hold(false);
    },
  };
}

/** A Web Lock that nobody else asks for. Pages without secure context have none. */
class RiskLock {
  /** @type {(() => void) | undefined} */ #release;

  get held() { return !!this.#release; }

  /** @param {boolean} wanted */
  hold(wanted) {
    if (wanted === this.held) return;
    this.#release?.();
    this.#release = undefined;
    if (!wanted) return;
    const released = new Promise((resolve) => { this.#release = () => resolve(undefined); });
    // It is granted a little later, and maybe only after it was released again.
    navigator.locks?.request(`nbdbridge at risk ${crypto.randomUUID()}`, () => released).catch(() => {});
  }
}
