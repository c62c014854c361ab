/**
 * Heavy hitters: Space-Saving. "Who is on top?" from a list of bounded size, with bounds that always hold.
 *
 * A summary tracks at most `itemsMax` items. `counts` are upper bounds; `overcounts` say how much of a count
 * may belong to others (absent means none); `floor` is the largest count ever cut off, hence an upper bound
 * for every item that is not tracked. A new item starts at floor + its own count with the floor as overcount;
 * then the list is cut to its largest items, and the cut raises the floor. Among equals those that are tracked stay,
 * then the first of the new ones: what would be cut off at once need not be written at all.
 *
 *   lower = count - overcount  <=  truth  <=  count          tracked
 *   0                          <=  truth  <=  floor          not tracked
 *   floor <= N / itemsMax, where N is the sum of everything counted
 *
 * So everything above N / itemsMax is in the list, and below `itemsMax` different items all is exact. Merging
 * adds lower and upper bounds (the floor where an item is absent), in any order; cutting the merged list keeps
 * floor <= N / itemsMax, because each count exceeds its floor by no more than what was really counted.
 *
 * In Redis: a sorted set of counts, a hash of overcounts and the floor, changed by one script with the same
 * rules. Of the tracked those leave that ZPOPMIN takes: the smallest count, among equals the smallest bytes.
 *
 * Example, itemsMax 2: a 5, b 3, then c 1: c starts at 0 + 1 and is cut off, floor 1. Then d 4: starts at
 * 1 + 4 with overcount 1, b goes, floor 3: the list says a in 5..5, d in 4..5, anyone else at most 3.
 *
 * Metwally, Agrawal, El Abbadi 2005 (Space-Saving); Agarwal et al. 2012 (mergeable summaries).
 */
export interface TopSummary {
  /** Item to upper bound. */
  counts: Map<string, number>;
  /** Item to the part of its count that may not be its own; absent means 0. */
  overcounts: Map<string, number>;
  /** No untracked item was counted more often than this. */
  floor: number;
}

export interface TopItem {
  item: string;
  /** The upper bound, as the answer's count. */
  count: number;
  lower: number;
  upper: number;
  /** No item outside the list can have been counted more often. */
  guaranteed: boolean;
}

export function createTop(): TopSummary {
  return { counts: new Map(), overcounts: new Map(), floor: 0 };
}

/** Counts `increments` (item and how often, above 0) and cuts to `itemsMax`. Leaves `summary` as it is. */
export function addToTop(
  summary: TopSummary,
  increments: Iterable<readonly [string, number]>,
  itemsMax: number,
): TopSummary {
  const counts = new Map(summary.counts);
  const newcomers = new Map<string, number>();
  for (const [item, increment] of increments) {
    const count = counts.get(item);
    if (count === undefined) newcomers.set(item, (newcomers.get(item) ?? summary.floor) + increment);
    else counts.set(item, count + increment);
  }
  const overcounts = new Map(summary.overcounts);
  const free = itemsMax - counts.size;
  const ascending = Float64Array.from(counts.values()).sort();
  let { floor } = summary;
  [...newcomers]
    .sort((a, b) => b[1] - a[1])
    .forEach(([item, count], rank) => {
      if (rank < free || count > ascending[rank - free]) {
        counts.set(item, count);
        if (summary.floor > 0) overcounts.set(item, summary.floor);
      } else floor = Math.max(floor, count);
    });
  return cutTop({ counts, overcounts, floor }, itemsMax);
}

/** Adds summaries up, without a cut: exact arithmetic on bounds, so neither order nor grouping matters. */
export function mergeTops(summaries: readonly TopSummary[]): TopSummary {
  const floor = summaries.reduce((sum, summary) => sum + summary.floor, 0);
  const counts = new Map<string, number>();
  const overcounts = new Map<string, number>();
  for (const summary of summaries) {
    for (const [item, count] of summary.counts) {
      // Elsewhere the item may have the floor: start from all floors and put the count in place of this one.
      counts.set(item, (counts.get(item) ?? floor) + count - summary.floor);
      const over = summary.overcounts.get(item) ?? 0;
      const overSoFar = overcounts.get(item) ?? floor;
      overcounts.set(item, overSoFar + over - summary.floor);
    }
  }
  for (const [item, over] of overcounts) if (over === 0) overcounts.delete(item);
  return { counts, overcounts, floor };
}

/** Keeps the `itemsMax` largest items and raises the floor to the largest count that had to go. */
export function cutTop(summary: TopSummary, itemsMax: number): TopSummary {
  const surplus = summary.counts.size - itemsMax;
  if (surplus <= 0) return summary;
  const ascending = Float64Array.from(summary.counts.values()).sort();
  const floor = ascending[surplus - 1];
  const candidates = [...summary.counts].filter(([, count]) => count <= floor);
  candidates.sort((a, b) => a[1] - b[1] || compareCodePoints(a[0], b[0]));
  const counts = new Map(summary.counts);
  const overcounts = new Map(summary.overcounts);
  for (const [item] of candidates.slice(0, surplus)) {
    counts.delete(item);
    overcounts.delete(item);
  }
  return { counts, overcounts, floor: Math.max(summary.floor, floor) };
}

/**
 * The `k` largest items of all summaries together, by count, equals by code point; `floor` bounds what an
 * item that no summary tracks can have.
 */
export function topItems(summaries: readonly TopSummary[], k: number): { items: TopItem[]; floor: number } {
  const { counts, overcounts, floor } = mergeTops(summaries);
  const ascending = Float64Array.from(counts.values()).sort();
  const smallestListed = ascending[ascending.length - k] ?? 0;
  const outsideMax = Math.max(floor, ascending[ascending.length - k - 1] ?? 0);
  const items = [...counts]
    .filter(([, count]) => count >= smallestListed)
    .sort((a, b) => b[1] - a[1] || compareCodePoints(a[0], b[0]))
    .slice(0, k)
    .map(([item, upper]) => {
      const lower = upper - (overcounts.get(item) ?? 0);
      return { item, count: upper, lower, upper, guaranteed: lower >= outsideMax };
    });
  return { items, floor };
}

/** Order by code point, which is that of the UTF-8 bytes; `<` compares UTF-16 units and is not. */
function compareCodePoints(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let at = 0; at < length; at++) {
    const unitA = a.charCodeAt(at);
    const unitB = b.charCodeAt(at);
    if (unitA !== unitB) return rankOfUnit(unitA) - rankOfUnit(unitB);
  }
  return a.length - b.length;
}

/** Surrogates stand for code points above all others, though their units lie below U+E000. */
function rankOfUnit(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}
