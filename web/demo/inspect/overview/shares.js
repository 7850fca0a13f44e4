// How wide the parts of a disk are drawn: to scale, but for those that would be
// too small to see and to hit.

/**
 * @param {readonly number[]} lengths in bytes
 * @param {number} least the smallest share, of 1; it is lowered where there are
 *   too many parts for it
 * @returns {{share: number, widened: boolean}[]} the shares add up to 1
 */
export function shares(lengths, least) {
  const total = lengths.reduce((sum, n) => sum + n, 0);
  const floor = Math.min(least, 1 / (2 * lengths.length));
  const small = lengths.map((n) => total === 0 || n / total < floor);
  const free = 1 - floor * small.filter(Boolean).length;
  const large = lengths.reduce((sum, n, i) => small[i] ? sum : sum + n, 0);
  if (large === 0) return lengths.map(() => ({ share: 1 / lengths.length, widened: true }));
  return lengths.map((n, i) => small[i] ? { share: floor, widened: true } : { share: n / large * free, widened: false });
}
