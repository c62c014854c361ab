/**
 * Questions about counts over time: events by type from the exact counters of whole days, and one item of a top
 * list with its bounds.
 */
import { sketchKey } from '../redis/keys.js';
import { call } from '../redis/pipeline.js';
import { parseCounterField } from '../sketches/counters.js';
import { counterMetric, eventTypes } from '../sketches/registry.js';
import { MINUTE_MS } from '../windows/civil.js';
import type { Span } from '../windows/cover.js';
import type { Place } from './place.js';
import type { Question } from './question.js';

export interface EventCounts {
  count: number;
  /** Types that came, and how often. */
  byType: Record<string, number>;
}

/** The span of `spans`, ascending and without gaps, that holds an instant, or undefined. */
function placeOf(spans: readonly Span[], at: number): number | undefined {
  let low = 0;
  let high = spans.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (spans[middle].to <= at) low = middle + 1;
    else high = middle;
  }
  return spans[low].from <= at && at < spans[low].to ? low : undefined;
}

/**
 * How many events of each type there were in each of some spans of whole minutes.
 * @param places the days that hold the spans
 */
export function askEventCounts(
  places: readonly Place[],
  spans: readonly Span[],
): Question<{ counts: EventCounts[]; exists: boolean[] }> {
  return {
    calls: places.map(({ system, bucket }) =>
      call('HGETALL', sketchKey(system, 'count', counterMetric, bucket)),
    ),
    decode(replies) {
      const counts = spans.map((): EventCounts => ({ count: 0, byType: {} }));
      const exists = (replies as string[][]).map((pairs, day) => {
        for (let i = 0; i < pairs.length; i += 2) {
          const { minuteOfDay, typeCode } = parseCounterField(pairs[i]);
          const place = placeOf(spans, places[day].bucket.start + minuteOfDay * MINUTE_MS);
          if (place === undefined) continue;
          const type = eventTypes[typeCode] ?? 'unknown';
          const { byType } = counts[place];
          byType[type] = (byType[type] ?? 0) + Number(pairs[i + 1]);
          counts[place].count += Number(pairs[i + 1]);
        }
        return pairs.length > 0;
      });
      return { counts, exists };
    },
  };
}

export interface ItemCount {
  /** The upper bound. */
  count: number;
  lower: number;
  exists: boolean[];
}

/** How often one item was counted over some places: where a list does not track it, at most the list's floor. */
export function askItemCount(metric: string, item: string, places: readonly Place[]): Question<ItemCount> {
  return {
    calls: places.flatMap(({ system, bucket }) => {
      const list = sketchKey(system, 'top', metric, bucket);
      const overs = sketchKey(system, 'over', metric, bucket);
      return [call('ZSCORE', list, item), call('HMGET', overs, item, ''), call('EXISTS', list)];
    }),
    decode(replies) {
      let count = 0;
      let lower = 0;
      const exists = places.map((_, i) => {
        const [score, overs, found] = replies.slice(3 * i, 3 * i + 3) as [
          string | null,
          (string | null)[],
          number,
        ];
        const [over, floor] = overs.map((text) => Number(text ?? 0));
        count += score === null ? floor : Number(score);
        lower += score === null ? 0 : Number(score) - over;
        return found === 1;
      });
      return { count, lower, exists };
    },
  };
}
