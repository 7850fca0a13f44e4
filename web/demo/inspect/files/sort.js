// Sorting in turns: a hundred thousand names at once would hold the page up.

/** Milliseconds that a turn may last. */
const turn = 8;

/** Lets the page do what it has to do. */
export function breathe() {
  return new Promise((resolve) => { setTimeout(resolve, 0); });
}

/**
 * Sorts, and lets others in meanwhile. Equal ones stay in their order.
 * @template T
 * @param {T[][]} runs each sorted already
 * @param {(a: T, b: T) => number} compare
 * @param {AbortSignal} [signal]
 * @returns {Promise<T[]>}
 */
export async function mergeRuns(runs, compare, signal) {
  let began = performance.now();
  while (runs.length > 1) {
    /** @type {T[][]} */ const merged = [];
    for (let i = 0; i < runs.length; i += 2) {
      const merging = mergeTwo(runs[i], runs[i + 1] ?? [], compare);
      for (let step = merging.next(); ; step = merging.next()) {
        if (step.done) {
          merged.push(step.value);
          break;
        }
        if (performance.now() - began < turn) continue;
        await breathe();
        signal?.throwIfAborted();
        began = performance.now();
      }
    }
    runs = merged;
  }
  return runs[0] ?? [];
}

/**
 * Yields after every thousand.
 * @template T
 * @param {T[]} a
 * @param {T[]} b
 * @param {(a: T, b: T) => number} compare
 * @returns {Generator<undefined, T[], undefined>}
 */
function* mergeTwo(a, b, compare) {
  /** @type {T[]} */ const out = [];
  let i = 0, j = 0;
  while (i < a.length && j < b.length) {
    out.push(compare(a[i], b[j]) <= 0 ? a[i++] : b[j++]);
    if (out.length % 1000 === 0) yield;
  }
  for (; i < a.length; i++) out.push(a[i]);
  for (; j < b.length; j++) out.push(b[j]);
  return out;
}
