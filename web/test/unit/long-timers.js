/** What is due in more than half a minute: no test waits for that. @type {Map<NodeJS.Timeout, () => void>} */
const later = new Map();

const { setTimeout: start } = globalThis;
Object.assign(globalThis, {
  setTimeout: (/** @type {() => void} */ work, delay = 0, /** @type {any[]} */ ...args) => {
    const timer = /** @type {NodeJS.Timeout} */ (/** @type {unknown} */ (start(work, delay, ...args)));
    if (delay > 30_000) later.set(timer.unref(), work);
    return timer;
  },
});

/** Half a minute and more has passed. */
export function passTime() {
  for (const [timer, work] of [...later]) {
    clearTimeout(timer);
    later.delete(timer);
    work();
  }
}
