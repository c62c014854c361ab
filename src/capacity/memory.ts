/**
 * Memory: what Redis keeps of a stream, sketch by sketch. A key of each kind is there for every bucket of its grain that is
 * kept, so an item is (sketch, metric, grain): how many keys a system has of it, and what each takes (`sizes.ts`).
 *
 * Which values a bucket holds follows from how many events fall into it. Users who come in a week are taken to be other
 * people each day, so that weeks and months are rather too large than too small; that ends at the size of a dense
 * HyperLogLog.
 *
 * Example: the top users of an hour, 1,000 of them, take 118 KB; of 200 systems, for 7 days and the running hour, 4.0 GB.
 */
import type { sketchKinds } from '../redis/keys.js';
import {
  counterMetric,
  distinctMetrics,
  failedLoginMetric,
  frequencyMetrics,
  membershipMetrics,
  topMetrics,
} from '../sketches/registry.js';
import type { Grain } from '../windows/bucket.js';
import { DAY_MS, HOUR_MS, MINUTE_MS } from '../windows/civil.js';
import { type Retention, recordSeconds } from '../windows/retention.js';
import { hashBytes, keyBytes, sortedSetBytes } from './allocation.js';
import {
  bloomBytes,
  counterBytes,
  countMinBytes,
  digestListBytes,
  failedLoginBytes,
  hyperloglogBytes,
  topBytes,
} from './sizes.js';
import { metOf, type Shape } from './work.js';

/** Months as they are on average. */
const grainMs: Record<Grain, number> = {
  minute: MINUTE_MS,
  hour: HOUR_MS,
  day: DAY_MS,
  week: 7 * DAY_MS,
  month: 30.44 * DAY_MS,
};
/** Of Redis without keys, and of the directory and the record of a system. */
const EMPTY_BYTES = 1_000_000;
const SYSTEM_BYTES = 700;
/** Of the hash that says which hours of a day were written. */
const WRITTEN_FIELDS = 24;
const WRITTEN_FIELD_BYTES = 6;
/** A sealed day in the list of them. */
const SEALED_BYTES = 10;

export interface MemoryItem {
  /** As in keys, or what else there is. */
  sketch: (typeof sketchKinds)[number] | 'records' | 'Redis itself';
  metric: string;
  grain: Grain | '';
  /** In all systems. */
  keys: number;
  /** Bytes of one. */
  bytesEach: number;
}

export interface Kept {
  eventsPerSecond: number;
  /** Parts of groups, all systems together: each brings a digest for each numeric key. */
  partsPerSecond: number;
  retention: Retention;
  /** Days since the first event; what is kept for longer grows further. Infinity: no more grows. */
  days: number;
}

/** Buckets of a grain that are there, the running one included. */
function bucketsOf(grain: Grain, keptMs: number, days: number): number {
  const whole = Math.ceil((days * DAY_MS) / grainMs[grain]);
  return Math.min(whole, Math.floor(keptMs / grainMs[grain]) + 1);
}

/** Every item of a stream. */
export function memoryItems(shape: Shape, kept: Kept): MemoryItem[] {
  const { retention, days } = kept;
  const perSystem = kept.eventsPerSecond / shape.systems;
  const eventsIn = (grain: Grain) => (perSystem * Math.min(grainMs[grain], days * DAY_MS)) / 1_000;
  const met = (metric: string, grain: Grain) => {
    const ofDay = metOf(shape, metric, Math.min(eventsIn(grain), eventsIn('day')));
    return ofDay * Math.max(1, eventsIn(grain) / eventsIn('day'));
  };
  const items: MemoryItem[] = [];
  const add = (
    sketch: MemoryItem['sketch'],
    metric: string,
    grain: Grain,
    bytes: number,
    keptMs = retention[grain],
  ) => {
    if (bytes <= 0) return;
    // A bucket without an event has no key.
    const keys = shape.systems * bucketsOf(grain, keptMs, days) * -Math.expm1(-eventsIn(grain));
    items.push({ sketch, metric, grain, keys, bytesEach: bytes + keyBytes });
  };
  for (const { metric } of distinctMetrics) {
    for (const grain of ['minute', 'hour', 'day', 'week', 'month'] as const)
      add('hll', metric, grain, hyperloglogBytes(met(metric, grain)));
  }
  for (const { metric } of membershipMetrics) add('bloom', metric, 'day', bloomBytes(met(metric, 'day')));
  for (const { metric } of frequencyMetrics) add('cm', metric, 'day', countMinBytes(met(metric, 'day')));
  // The lists of a day are made when it is over.
  const listGrains: readonly Grain[] = days > 1 ? ['hour', 'day'] : ['hour'];
  for (const { metric } of topMetrics) {
    for (const grain of listGrains) {
      const { list, overcounts } = topBytes(metric, met(metric, grain));
      add('top', metric, grain, list);
      add('over', metric, grain, overcounts);
    }
  }
  const groups = (kept.partsPerSecond / shape.systems) * (HOUR_MS / 1_000);
  const digests = {
    hour: digestListBytes(groups, eventsIn('hour')),
    day: digestListBytes(1, eventsIn('day')),
  };
  for (const grain of listGrains) {
    const bytes = digests[grain as keyof typeof digests];
    for (let key = 1; key <= shape.numericKeys; key++) add('digest', `number ${key}`, grain, bytes);
  }
  add('count', counterMetric, 'day', counterBytes(eventsIn('day')));
  add('count', failedLoginMetric, 'day', failedLoginBytes(eventsIn('day')));
  const recordMs = recordSeconds(retention) * 1_000;
  add(
    'written',
    'all',
    'day',
    hashBytes(Math.min(WRITTEN_FIELDS, eventsIn('day')), WRITTEN_FIELD_BYTES),
    recordMs,
  );
  const sealedDays = Math.max(0, bucketsOf('day', retention.day, days) - Math.ceil(retention.hour / DAY_MS));
  const records = SYSTEM_BYTES + sortedSetBytes(sealedDays, SEALED_BYTES);
  items.push({
    sketch: 'records',
    metric: '',
    grain: '',
    keys: shape.systems,
    bytesEach: records + keyBytes,
  });
  items.push({ sketch: 'Redis itself', metric: '', grain: '', keys: 1, bytesEach: EMPTY_BYTES });
  return items;
}

export const memoryBytes = (items: readonly MemoryItem[]): number =>
  items.reduce((sum, { keys, bytesEach }) => sum + keys * bytesEach, 0);
