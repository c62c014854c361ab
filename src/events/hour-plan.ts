/**
 * Plans: for one hour, the key suffixes and lifetimes of everything an event of that hour is written to. They
 * are the same for every system, so they are built once an hour of events, not once a system and pipeline.
 *
 * A lifetime depends on now. Plans are kept for one minute of the clock, so a key may live up to that much
 * longer than its retention, never shorter.
 */
import { sketchSuffix } from '../redis/keys.js';
import {
  counterMetric,
  distinctMetrics,
  fields,
  membershipMetrics,
  topMetrics,
} from '../sketches/registry.js';
import { type Bucket, bucketAt } from '../windows/bucket.js';
import { DAY_MS, HOUR_MS, MINUTE_MS } from '../windows/civil.js';
import { type Retention, recordSeconds, ttlSeconds } from '../windows/retention.js';

/** Suffix, seconds to live, and so on in turn. */
export type Destinations = (string | number)[];

export interface HourPlan {
  /** Days since 1970. */
  day: number;
  /** Two digits. */
  hourOfDay: string;
  /** The hour's first minute, counted from the start of its day. */
  firstMinute: number;
  /** Slots of the repeat filter, one a field. */
  hourSlots: string[];
  daySlots: string[];
  writtenSlot: string;
  distinct: { fine: Destinations; coarse: Destinations }[];
  membership: Destinations[];
  /** List, overcounts, seconds to live. */
  tops: Destinations[];
  counters: Destinations;
  written: Destinations;
  /** Of the digest list of a numeric key. */
  digest(key: string): Destinations;
}

/** Where a distinct metric of one minute goes. */
export interface MinutePlan {
  /** Of the repeat filter. */
  slot: string;
  destinations: Destinations;
}

function createHourPlan(
  hour: number,
  destination: (...at: Parameters<typeof sketchSuffix>) => Destinations,
): HourPlan {
  const at = hour * HOUR_MS;
  const hourBucket = bucketAt('hour', at);
  const dayBucket = bucketAt('day', at);
  const coarse = [dayBucket, bucketAt('week', at), bucketAt('month', at)];
  const day = Math.floor(at / DAY_MS);
  const digests = new Map<string, Destinations>();
  return {
    day,
    hourOfDay: hourBucket.name.slice(-2),
    firstMinute: (at - day * DAY_MS) / MINUTE_MS,
    hourSlots: fields.map((_, field) => `hour ${hour} ${field}`),
    daySlots: fields.map((_, field) => `day ${day} ${field}`),
    writtenSlot: `written ${day}`,
    distinct: distinctMetrics.map(({ metric }) => ({
      fine: destination('hll', metric, hourBucket),
      coarse: coarse.flatMap((bucket) => destination('hll', metric, bucket)),
    })),
    membership: membershipMetrics.map(({ metric }) => destination('bloom', metric, dayBucket)),
    tops: topMetrics.map(({ metric }) => [
      sketchSuffix('top', metric, hourBucket),
      ...destination('over', metric, hourBucket),
    ]),
    counters: destination('count', counterMetric, dayBucket),
    written: destination('written', 'all', dayBucket),
    digest(key) {
      let found = digests.get(key);
      if (!found) {
        found = destination('digest', key, hourBucket);
        digests.set(key, found);
      }
      return found;
    },
  };
}

/** Hands out plans. `at(now)` must be called before a delta is planned; it renews what has aged. */
export function createPlanner(retention: Retention) {
  let now = 0;
  let hours = new Map<number, HourPlan>();
  let minutes = new Map<number, MinutePlan[]>();

  function destination(
    kind: Parameters<typeof sketchSuffix>[0],
    metric: string,
    bucket: Bucket,
  ): Destinations {
    // The record of written hours must outlive every key of its day.
    const seconds = kind === 'written' ? recordSeconds(retention) : ttlSeconds(bucket, retention, now);
    return [sketchSuffix(kind, metric, bucket), seconds];
  }

  return {
    at(instant: number): void {
      if (Math.floor(instant / MINUTE_MS) !== Math.floor(now / MINUTE_MS)) {
        hours = new Map();
        minutes = new Map();
      }
      now = instant;
    },
    hour(hour: number): HourPlan {
      let plan = hours.get(hour);
      if (!plan) {
        plan = createHourPlan(hour, destination);
        hours.set(hour, plan);
      }
      return plan;
    },
    /** One plan a distinct metric, in the order of the registry. */
    minute(minute: number): MinutePlan[] {
      let found = minutes.get(minute);
      if (!found) {
        const bucket = bucketAt('minute', minute * MINUTE_MS);
        found = distinctMetrics.map(({ metric }, index) => ({
          slot: `minute ${minute} ${index}`,
          destinations: destination('hll', metric, bucket),
        }));
        minutes.set(minute, found);
      }
      return found;
    },
    get nowSeconds(): number {
      return Math.floor(now / 1_000);
    },
    /** Seconds the record of a system lives after a write. */
    get recordSeconds(): number {
      return recordSeconds(retention);
    },
  };
}

export type Planner = ReturnType<typeof createPlanner>;
