/**
 * The names nearest to one that does not exist, which may be a typing error. Only names that the asker may see are searched.
 *
 * Nearness is the distance of Damerau and Levenshtein (letters changed, added, left out or swapped with their neighbour)
 * without regard to case, at most a third of the letters. The search is bounded by names and by time: of more names than
 * `candidatesMax` those are compared that stand nearest in the order of names.
 */
import type { Clock } from '../clock.js';
import type { Principal } from '../principal.js';
import type { SystemNames } from '../redis/system-names.js';

const candidatesMax = 1_000;
const searchMsMax = 1;
const listedMax = 5;

/** How many names of an ascending list come before a name. */
function placeOf(names: readonly string[], name: string): number {
  let low = 0;
  let high = names.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (names[middle] < name) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The names around where a name stands in an ascending list. */
function around(names: readonly string[], name: string, count: number): readonly string[] {
  const from = Math.max(0, Math.min(placeOf(names, name) - (count >> 1), names.length - count));
  return names.slice(from, from + count);
}

/** The names of an ascending list that a principal may see, ascending; not all of the list is walked for that. */
function visibleTo({ systems }: Principal, names: readonly string[]): readonly string[] {
  if (systems === undefined) return names;
  return [...systems].filter((name) => names[placeOf(names, name)] === name).sort();
}

/** The names to compare: all, or those near the name as it was typed and as it begins in the other case. */
function candidatesOf(names: readonly string[], name: string): Iterable<string> {
  if (names.length <= candidatesMax) return names;
  const [first] = name;
  const other = first === first.toLowerCase() ? first.toUpperCase() : first.toLowerCase();
  const half = candidatesMax >> 1;
  return new Set([...around(names, name, half), ...around(names, other + name.slice(1), half)]);
}

/** The distance of two texts, or more than `most` where it is larger. */
export function distanceOf(one: string, other: string, most: number): number {
  if (Math.abs(one.length - other.length) > most) return most + 1;
  let [before, row]: number[][] = [[], Array.from({ length: other.length + 1 }, (_, i) => i)];
  for (let i = 1; i <= one.length; i++) {
    const next = [i];
    for (let j = 1; j <= other.length; j++) {
      const change = row[j - 1] + (one[i - 1] === other[j - 1] ? 0 : 1);
      next[j] = Math.min(change, row[j] + 1, next[j - 1] + 1);
      const isSwapped = i > 1 && j > 1 && one[i - 1] === other[j - 2] && one[i - 2] === other[j - 1];
      if (isSwapped) next[j] = Math.min(next[j], before[j - 2] + 1);
    }
    [before, row] = [row, next];
    if (Math.min(...row) > most) return most + 1;
  }
  return row[other.length];
}

/** @param clock monotonic */
export function createNearestSystems(names: SystemNames, clock: Clock) {
  /** At most five names that the principal may see, the nearest first; none where they cannot be read. */
  return async (system: string, principal: Principal): Promise<string[]> => {
    const all = await names.all().catch((): readonly string[] => []);
    const visible = visibleTo(principal, all);
    const end = clock.now() + searchMsMax;
    const wanted = system.toLowerCase();
    const most = Math.max(1, Math.floor(wanted.length / 3));
    const found: { name: string; distance: number }[] = [];
    for (const name of candidatesOf(visible, system)) {
      if (clock.now() >= end) break;
      const distance = distanceOf(wanted, name.toLowerCase(), most);
      if (distance <= most && name !== system) found.push({ name, distance });
    }
    found.sort((a, b) => a.distance - b.distance || (a.name < b.name ? -1 : 1));
    return found.slice(0, listedMax).map(({ name }) => name);
  };
}

export type NearestSystems = ReturnType<typeof createNearestSystems>;
