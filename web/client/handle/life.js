// Whether the other thread still lives: a Web Lock that it holds is free when it
// has died. Browsers tell nothing of it by the port. Pages without a secure
// context have none, and neither has Node, which tells by the port.

/** What ends a lock's waiting. */
const over = new Error("The handle has ended.");

const locks = () => /** @type {LockManager | undefined} */ (globalThis.navigator?.locks);

/**
 * Holds a lock that nobody else has, until release is called or this thread dies.
 * @param {(name: string) => void} held called when the lock is held
 * @returns {() => void} release
 */
export function live(held) {
  const name = `nbdbridge handle ${crypto.randomUUID?.()}`;
  let release = () => {};
  const released = /** @type {Promise<void>} */ (new Promise((resolve) => { release = resolve; }));
  locks()?.request(name, () => (held(name), released)).catch(() => {}); // reminders are left
  return release;
}

/**
 * Waits for the death of who holds a lock.
 * @param {string} name
 * @param {() => void} died
 * @returns {() => void} ends the waiting
 */
export function mourn(name, died) {
  const controller = new AbortController();
  locks()?.request(name, { signal: controller.signal }, died).catch(() => {});
  return () => controller.abort(over);
}
