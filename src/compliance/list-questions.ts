/**
 * Questions about lists that are written by the hour: top lists and digests. A place of a whole day is read folded
 * or from its hours, whichever knows everything (redis/day-lists.ts), in the same round trip.
 */
import {
  type DayLists,
  decodeTop,
  readDigestDays,
  readTopDays,
  type StoredDigests,
  type StoredTop,
} from '../redis/day-lists.js';
import { sketchKey, sketchSuffix, systemKey } from '../redis/keys.js';
import { call, callScript } from '../redis/pipeline.js';
import { scripts } from '../redis/scripts.js';
import { type TopItem, type TopSummary, topItems } from '../sketches/space-saving.js';
import { type Digest, decodeDigest, decodeDigestHeader, mergeDigests } from '../sketches/t-digest.js';
import type { Place } from './place.js';
import { all, map, type Question } from './question.js';

/** What is read of one place: its own list, or those of the hours of a day. */
type Lists<List> = DayLists<List>;

function topLists(metric: string, { system, bucket }: Place): Question<Lists<StoredTop>> {
  if (bucket.grain === 'day') {
    const { calls, decode } = readTopDays(system, metric, [bucket]);
    return { calls, decode: (replies) => decode(replies)[0] };
  }
  return {
    calls: [
      call('ZRANGE', sketchKey(system, 'top', metric, bucket), 0, -1, 'WITHSCORES'),
      call('HGETALL', sketchKey(system, 'over', metric, bucket)),
    ],
    decode: (replies) => ({ source: 'day', lists: [replies as StoredTop], isPartial: false }),
  };
}

function digestLists(metric: string, { system, bucket }: Place): Question<Lists<StoredDigests>> {
  if (bucket.grain === 'day') {
    const { calls, decode } = readDigestDays(system, metric, [bucket]);
    return { calls, decode: (replies) => decode(replies)[0] };
  }
  const key = sketchKey(system, 'digest', metric, bucket);
  return {
    calls: [{ ...call('LRANGE', key, 0, -1), binary: true }],
    decode: ([list]) => ({ source: 'day', lists: [list as Buffer[]], isPartial: false }),
  };
}

/** What each place holds, in the order of the places. */
interface Held {
  exists: boolean[];
  /** The day was folded when some of its hours had expired already. */
  partial: boolean[];
  /** Where a day was read from its hours: which of them exist. */
  hours: (boolean[] | undefined)[];
}

function heldOf<List>(found: readonly Lists<List>[], isThere: (list: List) => boolean): Held {
  const there = found.map(({ lists }) => lists.map(isThere));
  return {
    exists: there.map((lists) => lists.includes(true)),
    partial: found.map(({ isPartial }) => isPartial),
    hours: found.map(({ source }, i) => (source === 'hours' ? there[i] : undefined)),
  };
}

function summariesOf(found: readonly Lists<StoredTop>[]): Held & { summaries: TopSummary[] } {
  return {
    summaries: found.flatMap(({ lists }) => lists.map(decodeTop)),
    ...heldOf(found, ([pairs]) => pairs.length > 0),
  };
}

export interface Top extends Held {
  items: TopItem[];
  /** No value that is not listed as tracked can have more than this. */
  floor: number;
}

/** The top of one hour's list: merging needs whole lists, but of one alone the rest says nothing. */
function topOfList(metric: string, k: number, { system, bucket }: Place): Question<Lists<StoredTop>> {
  const suffixes = [sketchSuffix('top', metric, bucket), sketchSuffix('over', metric, bucket)];
  return {
    calls: [callScript(scripts['read-top-1'], [systemKey(system)], [...suffixes, k])],
    decode: ([list]) => ({ source: 'day', lists: [list as StoredTop], isPartial: false }),
  };
}

/** The `k` values with the largest counts over some places. */
export function askTop(metric: string, k: number, places: readonly Place[]): Question<Top> {
  const [first] = places;
  const isOneList = places.length === 1 && first.bucket.grain === 'hour';
  return map(
    all(isOneList ? [topOfList(metric, k, first)] : places.map((place) => topLists(metric, place))),
    (found) => {
      const { summaries, ...held } = summariesOf(found);
      return { ...topItems(summaries, k), ...held };
    },
  );
}

export interface ItemCount extends Held {
  /** The upper bound. */
  count: number;
  lower: number;
}

/** How often one item was counted over some places: where a list does not track it, at most the list's floor. */
export function askItemCount(metric: string, item: string, places: readonly Place[]): Question<ItemCount> {
  return map(all(places.map((place) => topLists(metric, place))), (found) => {
    const { summaries, ...held } = summariesOf(found);
    let count = 0;
    let lower = 0;
    for (const { counts, overcounts, floor } of summaries) {
      const upper = counts.get(item);
      count += upper ?? floor;
      lower += upper === undefined ? 0 : upper - (overcounts.get(item) ?? 0);
    }
    return { count, lower, ...held };
  });
}

export interface Samples extends Held {
  /** Undefined where there are no samples. */
  digest: Digest | undefined;
}

/** One digest of all samples of some places. */
export function askSamples(metric: string, places: readonly Place[]): Question<Samples> {
  return map(all(places.map((place) => digestLists(metric, place))), (found) => {
    const digests: Digest[] = [];
    for (const [header, ...blobs] of found.flatMap(({ lists }) => lists)) {
      if (header === undefined) continue;
      decodeDigestHeader(header);
      for (const blob of blobs) digests.push(decodeDigest(blob));
    }
    return {
      digest: digests.length === 0 ? undefined : mergeDigests(digests),
      ...heldOf(found, (list) => list.length > 0),
    };
  });
}
