// Keeps the screen on, and with it most machines awake, while something runs
// and the page is in sight. Where the browser can't, nothing happens.

/** Asks for it until it is ended. @returns {() => void} ends it */
export function stayAwake() {
  const ended = new AbortController();
  /** @type {Promise<WakeLockSentinel | undefined> | undefined} */ let lock;
  const ask = () => {
    if (!document.hidden) lock = navigator.wakeLock?.request("screen").catch(() => undefined); // the browser saves power
  };
  document.addEventListener("visibilitychange", ask, { signal: ended.signal }); // it lets go of it when the page is hidden
  ask();
  return () => {
    ended.abort();
    lock?.then((held) => held?.release());
  };
}
