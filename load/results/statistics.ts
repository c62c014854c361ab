/** What many measured values come to. */

export interface Ranks {
  p50: number;
  p95: number;
  p99: number;
}

/** The values of nearest rank; 0 where there are none. */
export function ranksOf(values: readonly number[]): Ranks {
  const sorted = Float64Array.from(values).sort();
  const rank = (p: number) => sorted[Math.max(0, Math.ceil((p / 100) * sorted.length) - 1)] ?? 0;
  return { p50: rank(50), p95: rank(95), p99: rank(99) };
}

export const sumOf = <Item>(items: readonly Item[], of: (item: Item) => number): number =>
  items.reduce((sum, item) => sum + of(item), 0);

/** NaN where there are none. */
export const meanOf = <Item>(items: readonly Item[], of: (item: Item) => number): number =>
  sumOf(items, of) / items.length;

/** The largest, without the bounds that a call with so many arguments has; -Infinity where there are none. */
export const largestOf = (values: readonly number[]): number =>
  values.reduce((largest, value) => Math.max(largest, value), Number.NEGATIVE_INFINITY);

/**
 * By how many percent the mean of the last third of some values is above that of the middle third: what a series does
 * once it has warmed up. NaN for fewer than three.
 */
export function growthPercentOf(values: readonly number[]): number {
  const third = Math.floor(values.length / 3);
  const mean = (part: readonly number[]) => meanOf(part, (value) => value);
  return 100 * (mean(values.slice(-third)) / mean(values.slice(third, -third)) - 1);
}
