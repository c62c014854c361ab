/**
 * Written keys: every key that an event of some hours of a day can write, and every key that the rollups can write of
 * such a day. The reverse of events/hour-plan.ts, for who has to delete what may have been written without knowing
 * whether it was. A test compares both.
 *
 * Minutes are written only while they are within their retention, so older ones are left out; clocks of processes may
 * differ, so an hour more is kept in.
 */
import {
  counterMetric,
  distinctMetrics,
  failedLoginMetric,
  frequencyMetrics,
  membershipMetrics,
  topMetrics,
} from '../sketches/registry.js';
import { type Bucket, bucketAt, bucketsIn } from '../windows/bucket.js';
import { HOUR_MS } from '../windows/civil.js';
import { markerSuffix, rollSuffix, type SketchKind, sealedSuffix, sketchSuffix } from './keys.js';
import { knownIdsSuffixes } from './known-ids.js';

const CLOCKS_APART_MS_MAX = HOUR_MS;

const names = (rows: readonly { metric: string }[]) => rows.map(({ metric }) => metric);

function suffixesIn(buckets: readonly Bucket[], kind: SketchKind, metrics: readonly string[]): string[] {
  return buckets.flatMap((bucket) => metrics.map((metric) => sketchSuffix(kind, metric, bucket)));
}

/** The suffix of the hours written of a day, from which the other keys follow. */
export const writtenSuffix = (day: Bucket): string => sketchSuffix('written', 'all', day);

interface WrittenDay {
  day: Bucket;
  /** Hours of the day, 0 to 23. */
  hours: readonly number[];
  numericKeys: readonly string[];
  /** Instant from which minutes were kept, milliseconds. */
  minutesFrom: number;
}

/** What follows the system key in all those keys, the record's own apart. */
export function suffixesWritten({ day, hours, numericKeys, minutesFrom }: WrittenDay): string[] {
  const hourBuckets = hours.map((hour) => bucketAt('hour', day.start + hour * HOUR_MS));
  const minutes = hourBuckets
    .filter(({ end }) => end > minutesFrom - CLOCKS_APART_MS_MAX)
    .flatMap(({ start, end }) => bucketsIn('minute', start, end));
  const lists = [day, ...hourBuckets];
  const coarse = [day, bucketAt('week', day.start), bucketAt('month', day.start)];
  return [
    ...suffixesIn([...minutes, ...hourBuckets, ...coarse], 'hll', names(distinctMetrics)),
    ...suffixesIn([day], 'bloom', names(membershipMetrics)),
    ...suffixesIn(lists, 'top', names(topMetrics)),
    ...suffixesIn(lists, 'over', names(topMetrics)),
    ...suffixesIn(lists, 'digest', numericKeys),
    ...suffixesIn([day], 'count', [counterMetric, failedLoginMetric]),
    ...suffixesIn([day], 'cm', names(frequencyMetrics)),
    writtenSuffix(day),
    rollSuffix(day),
    sealedSuffix,
  ];
}

/** Those of the ids of events, where these are known so many seconds. */
export const idsWritten = (now: number, knownSeconds: number): string[] =>
  knownIdsSuffixes(now, knownSeconds, CLOCKS_APART_MS_MAX);

/** Those of the markers that parts of requests can still leave, whose claims are kept so long (milliseconds). */
export function markersWritten(now: number, claimsKeptMs: number): string[] {
  const from = now - claimsKeptMs - CLOCKS_APART_MS_MAX;
  return bucketsIn('hour', bucketAt('hour', from).start, now + CLOCKS_APART_MS_MAX).map(markerSuffix);
}
