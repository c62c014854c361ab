/** Questions about events over time, from the exact counters of whole days. */
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
export function spanAt(spans: readonly Span[], at: number): number | undefined {
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
          const place = spanAt(spans, places[day].bucket.start + minuteOfDay * MINUTE_MS);
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
