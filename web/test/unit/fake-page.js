/** A window that counts who listens. */
class FakeWindow extends EventTarget {
  listeners = 0;

  /** @override @param {string} type @param {any} listener */
  addEventListener(type, listener) {
    this.listeners++;
    super.addEventListener(type, listener);
  }

  /** @override @param {string} type @param {any} listener */
  removeEventListener(type, listener) {
    this.listeners--;
    super.removeEventListener(type, listener);
  }
}

/**
 * Makes this process look like a page until the end of a test.
 * @param {import("node:test").TestContext} t
 */
export function fakePage(t) {
  const window = new FakeWindow();
  /** Names of locks that are held. @type {Set<string>} */ const held = new Set();
  const locks = {
    async request(/** @type {string} */ name, /** @type {() => Promise<unknown>} */ callback) {
      held.add(name);
      await callback();
      held.delete(name);
    },
  };
  for (const [name, value] of Object.entries({ window, document: new FakeWindow(), navigator: { locks } })) {
    const before = Object.getOwnPropertyDescriptor(globalThis, name);
    Object.defineProperty(globalThis, name, { value, configurable: true });
    t.after(() => before ? Object.defineProperty(globalThis, name, before) : Reflect.deleteProperty(globalThis, name));
  }
  return { window, held };
}
