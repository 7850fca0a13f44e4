/** Milliseconds between attempts: at first, and at most. */
const firstDelay = 100, longestDelay = 2000;

/**
 * Tries until it goes well: neither guests nor emulators know what to do with
 * a failure that passes.
 * @template T
 * @param {() => Promise<T>} operation
 * @param {() => boolean} inVain it can't go well any more
 * @returns {Promise<T>} rejects with the first error that does not pass
 */
export async function attempts(operation, inVain) {
  for (let delay = firstDelay; ; delay = Math.min(2 * delay, longestDelay)) {
    try {
      return await operation();
    } catch (/** @type {any} */ error) {
      if (!error?.retryable || inVain()) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, delay));
  }
}
