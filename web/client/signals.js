/**
 * Waits for work that others may wait for too: an abort ends the waiting, not
 * the work.
 * @template T
 * @param {Promise<T>} work
 * @param {AbortSignal} [signal]
 * @returns {Promise<T>} rejects with the signal's reason at once when it aborts
 */
export function unlessAborted(work, signal) {
  if (!signal) return work;
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    const done = () => signal.removeEventListener("abort", abort);
    if (signal.aborted) abort();
    else signal.addEventListener("abort", abort, { once: true });
    work.then(resolve, reject).finally(done);
  });
}

/**
 * Gives a task a signal that aborts with the caller's, and when the task has
 * ended: nothing that it began goes on without it.
 * @template T
 * @param {AbortSignal | undefined} signal
 * @param {(signal: AbortSignal) => Promise<T>} task
 * @returns {Promise<T>}
 */
export async function scoped(signal, task) {
  const { scope, end } = openScope(signal);
  try {
    return await task(scope);
  } finally {
    end();
  }
}

/** Nobody sees it: what it ends is of no use any more. */
const over = new Error("The operation has ended.");

/**
 * AbortSignal.any is missing in browsers that are otherwise fit.
 * @param {AbortSignal} [signal]
 * @returns {{scope: AbortSignal, end: () => void}} end must be called
 */
export function openScope(signal) {
  const controller = new AbortController();
  const abort = () => controller.abort(signal?.reason);
  if (signal?.aborted) abort();
  else signal?.addEventListener("abort", abort);
  const end = () => {
    signal?.removeEventListener("abort", abort);
    controller.abort(over);
  };
  return { scope: controller.signal, end };
}

/**
 * Runs a task for each item, a bounded number of them at once. The first
 * failure aborts the others, and is told when all have ended.
 * @template Item, Result
 * @param {readonly Item[]} items
 * @param {number} limit
 * @param {AbortSignal | undefined} signal
 * @param {(item: Item, signal: AbortSignal) => Promise<Result>} task
 * @returns {Promise<Result[]>} in the order of the items
 */
export async function mapBounded(items, limit, signal, task) {
  const { scope, end } = openScope(signal);
  /** @type {Result[]} */
  const results = new Array(items.length);
  let next = 0;
  const worker = async () => {
    while (next < items.length) {
      scope.throwIfAborted();
      const i = next++;
      results[i] = await task(items[i], scope);
    }
  };
  const workers = Array.from({ length: Math.min(limit, items.length) }, worker);
  try {
    await Promise.all(workers);
    return results;
  } finally {
    end();
    await Promise.allSettled(workers);
  }
}
