/**
 * Ranges: the buckets that answer any span of time, as few of them as possible, because each is a key to read
 * and a sketch to merge.
 *
 * A span is tiled by buckets that follow each other without gap or overlap, each of a grain that is still
 * readable at its time: fine grains are kept for less long than coarse ones. Where an end of the span lies
 * inside the finest bucket that is left, the span widens outwards to an edge. Of all tilings the best is
 *
 *   1. the one with the least time that nothing can be read of (there, older than every retention, stand
 *      buckets of the coarsest grain; what an answer says as `coverage` tells),
 *   2. of these the least widened,
 *   3. of these the one of the fewest buckets.
 *
 * Greed does not find it: ISO weeks and months do not nest, and a month that fits may cost more days at its
 * far end than a week would have. Nor does widening each end by itself: where only weeks are kept at one end
 * and only months at the other, the two need not meet. So it is a shortest path over the edges of buckets,
 * walked forwards in time. Few edges are waiting at once, at most one for each grain, and a bucket that holds
 * all others which start with it makes these needless, so that minutes and hours are looked at near the ends
 * only: two years take 0.2 to 0.5 ms and ten years 1 ms (measured, ends in minutes).
 *
 * Example, all grains kept: 2024-01-31T22:00 to 2024-03-02T00:00 is two hours, one month and one day.
 */
import { type Bucket, bucketAt, edgesAt, type Grain, grains } from './bucket.js';
import type { Span } from './cover.js';

/** Days of the longest range that a question may ask for: ten years. Checked where questions are read. */
export const rangeDaysMax = 3_653;

/** A grain, and the instant (ms) after which buckets of it must end to be readable; -Infinity: all are. */
export interface KeptGrain {
  grain: Grain;
  from: number;
}

/** Buckets in order, and the span that they tile. */
export interface RangeCover extends Span {
  buckets: Bucket[];
}

/** The last bucket of a tiling, and what the tiling has cost up to its end. */
interface Tile {
  grain: Grain;
  start: number;
  end: number;
  before: Tile | undefined;
  /** Milliseconds of buckets that are not readable any more. */
  expired: number;
  /** Milliseconds outside the span asked for. */
  widened: number;
  count: number;
}

function isBetter(tile: Tile, other: Tile | undefined): boolean {
  if (!other || tile.expired !== other.expired) return !other || tile.expired < other.expired;
  if (tile.widened !== other.widened) return tile.widened < other.widened;
  return tile.count < other.count;
}

/** Minutes, hours and days each fill the next coarser grain, so no path that starts beside them crosses them. */
const nests = (grain: Grain) => grain === 'hour' || grain === 'day';

/** Every bucket that may stand first (no `before`, at `from`) or next, coarsest first. */
function tilesAfter(before: Tile | undefined, { from, to }: Span, kept: readonly KeptGrain[]): Tile[] {
  const tiles: Tile[] = [];
  const at = before ? before.end : from;
  for (const [place, { grain, from: keptFrom }] of kept.entries()) {
    const { start, end } = edgesAt(grain, at);
    const readable = end > keptFrom;
    if ((before && start !== at) || (!readable && place > 0)) continue;
    tiles.push({
      grain,
      start,
      end,
      before,
      expired: (before?.expired ?? 0) + (readable ? 0 : end - start),
      widened: (before?.widened ?? from - start) + Math.max(0, end - to),
      count: (before?.count ?? 0) + 1,
    });
    if (readable && start === at && end <= to && nests(grain)) break;
  }
  return tiles;
}

function bestTiling(span: Span, kept: readonly KeptGrain[]): Tile | undefined {
  const open = new Map<number, Tile>();
  let best: Tile | undefined;
  let next: Tile | undefined;
  do {
    for (const tile of tilesAfter(next, span, kept)) {
      if (tile.end >= span.to) best = isBetter(tile, best) ? tile : best;
      else if (isBetter(tile, open.get(tile.end))) open.set(tile.end, tile);
    }
    next = undefined;
    for (const tile of open.values()) if (!next || tile.end < next.end) next = tile;
    if (next) open.delete(next.end);
  } while (next);
  return best;
}

/**
 * The fewest buckets that tile a span, widened where it must be.
 * @param span [from, to) in milliseconds; an empty one has no buckets. The work grows with its length, see
 *   `rangeDaysMax`, or with the buckets that come out, where a metric keeps fine grains only.
 * @param kept what a metric keeps, each grain once, at least one
 * @returns buckets in ascending order, the first starting at `from`, the last ending at `to`
 */
export function coverRange(span: Span, kept: readonly KeptGrain[]): RangeCover {
  if (!(span.from < span.to)) return { from: span.from, to: span.to, buckets: [] };
  const coarsestFirst = [...kept].sort((a, b) => grains.indexOf(b.grain) - grains.indexOf(a.grain));
  const buckets: Bucket[] = [];
  for (let tile = bestTiling(span, coarsestFirst); tile; tile = tile.before) {
    buckets.push(bucketAt(tile.grain, tile.start));
  }
  buckets.reverse();
  return { from: buckets[0]?.start ?? span.from, to: buckets.at(-1)?.end ?? span.to, buckets };
}
