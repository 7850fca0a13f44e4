/** @typedef {{listener: (...details: any[]) => void, once: boolean}} Entry */

/** The listeners of one object, by the methods that libraries made for Node call. */
export class Emitter {
  /** @type {Map<string, Entry[]>} */ #listeners = new Map();

  /** @param {string} name @param {(...details: any[]) => void} listener */
  on(name, listener) { return this.#add(name, listener, false); }
  /** @param {string} name @param {(...details: any[]) => void} listener */
  once(name, listener) { return this.#add(name, listener, true); }
  /** @param {string} name @param {(...details: any[]) => void} listener */
  addListener(name, listener) { return this.on(name, listener); }
  /** @param {string} name @param {(...details: any[]) => void} listener */
  removeListener(name, listener) { return this.off(name, listener); }

  /** @param {string} name @param {(...details: any[]) => void} listener the one that was added last is removed */
  off(name, listener) {
    return this.#remove(name, this.#listeners.get(name)?.findLast((entry) => entry.listener === listener));
  }

  /** What a listener throws is reported like any uncaught error. @param {string} name @param {any[]} details */
  emit(name, ...details) {
    const all = this.#listeners.get(name) ?? [];
    for (const entry of all) {
      if (entry.once) this.#remove(name, entry);
      try {
        entry.listener.apply(this, details);
      } catch (error) {
        queueMicrotask(() => { throw error; });
      }
    }
    return all.length > 0;
  }

  /** @param {string} name @param {(...details: any[]) => void} listener @param {boolean} once */
  #add(name, listener, once) {
    this.#listeners.set(name, [...this.#listeners.get(name) ?? [], { listener, once }]);
    return this;
  }

  /** @param {string} name @param {Entry} [entry] */
  #remove(name, entry) {
    this.#listeners.set(name, (this.#listeners.get(name) ?? []).filter((other) => other !== entry));
    return this;
  }
}
