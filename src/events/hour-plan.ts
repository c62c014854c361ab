/**
 * Plans: for one hour, the key suffixes and lifetimes of everything an event of that hour is written to. They
 * are the same for every system, so they are built once an hour of events, not once a system and pipeline.
 *
 * A lifetime depends on now. Plans are kept for one minute of the clock, so a key may live up to that much
 * longer than its retention, never shorter.
 */
import { rollSuffix, sketchSuffix } from '../redis/keys.js';
import {
  counterMetric,
  distinctMetrics,
  failedLoginMetric,
  fields,
  frequencyMetrics,
  membershipMetrics,
  topMetrics,
} from '../sketches/registry.js';
import { type Bucket, bucketAt } from '../windows/bucket.js';
import { DAY_MS, HOUR_MS, MINUTE_MS } from '../windows/civil.js';
import { type Retention, recordSeconds, ttlSeconds } from '../windows/retention.js';

const OLD_BUCKET_BELIEF_MS = 10 * MINUTE_MS;
/** Few events come for a minute that is over, so what is known of it is not worth its memory for long. */
const MINUTE_BELIEF_MS = 3 * MINUTE_MS;
/** Plans are a few KB and soon made again, so that no more are kept of each kind than a usual minute needs. */
const PLANS_MAX = 1_000;

/** Suffix, seconds to live, and so on in turn. */
export type Destinations = (string | number)[];

export interface HourPlan {
  /** Two digits. */
  hourOfDay: string;
  /** The hour's first minute, counted from the start of its day. */
  firstMinute: number;
  /** Slots of the repeat filter, one a field. */
  hourSlots: string[];
  daySlots: string[];
  writtenSlot: string;
  /** Until when the keys of these slots are sure to live, milliseconds of the monotonic clock. */
  hourUntil: number;
  dayUntil: number;
  distinct: { fine: Destinations; coarse: Destinations }[];
  membership: Destinations[];
  /** List, overcounts, seconds to live; and of a day that is over its state and its own list, as apply-delta wants it. */
  tops: Destinations[];
  counters: Destinations;
  failedLogins: Destinations;
  /** Hash, seconds to live, state of the day. */
  written: Destinations;
  frequency: Destinations[];
  /** Numeric key, digest list, seconds to live; and of a day that is over its state and its own list. */
  digest(key: string): Destinations;
}

/** Where the values of a field go in one minute. */
export interface MinutePlan {
  /** Of the repeat filter. */
  slot: string;
  /** As those of an hour's plan. */
  until: number;
  destinations: Destinations;
}

interface Placing {
  destination: (...at: Parameters<typeof sketchSuffix>) => Destinations;
  until: (bucket: Bucket) => number;
  isOver: (bucket: Bucket) => boolean;
}

function createHourPlan(hour: number, { destination, until, isOver }: Placing): HourPlan {
  const at = hour * HOUR_MS;
  const hourBucket = bucketAt('hour', at);
  const dayBucket = bucketAt('day', at);
  const coarse = [dayBucket, bucketAt('week', at), bucketAt('month', at)];
  const day = Math.floor(at / DAY_MS);
  const digests = new Map<string, Destinations>();
  /** What a late event has to mark, and where it goes besides where its day is sealed. */
  const late = (ownList: () => Destinations): Destinations =>
    isOver(dayBucket) ? [...destination('roll', 'all', dayBucket), ...ownList()] : [];
  const topOf = (metric: string, bucket: Bucket): Destinations => [
    sketchSuffix('top', metric, bucket),
    ...destination('over', metric, bucket),
  ];
  return {
    hourOfDay: hourBucket.name.slice(-2),
    firstMinute: (at - day * DAY_MS) / MINUTE_MS,
    hourSlots: fields.map((_, field) => `hour ${hour} ${field}`),
    daySlots: fields.map((_, field) => `day ${day} ${field}`),
    writtenSlot: `written ${day}`,
    hourUntil: until(hourBucket),
    dayUntil: until(dayBucket),
    distinct: distinctMetrics.map(({ metric }) => ({
      fine: destination('hll', metric, hourBucket),
      coarse: coarse.flatMap((bucket) => destination('hll', metric, bucket)),
    })),
    membership: membershipMetrics.map(({ metric }) => destination('bloom', metric, dayBucket)),
    tops: topMetrics.map(({ metric }) => [
      ...topOf(metric, hourBucket),
      ...late(() => topOf(metric, dayBucket)),
    ]),
    counters: destination('count', counterMetric, dayBucket),
    failedLogins: destination('count', failedLoginMetric, dayBucket),
    written: [...destination('written', 'all', dayBucket), rollSuffix(dayBucket)],
    frequency: frequencyMetrics.map(({ metric }) => destination('cm', metric, dayBucket)),
    digest(key) {
      let found = digests.get(key);
      if (!found) {
        if (digests.size >= PLANS_MAX) digests.clear();
        found = [
          key,
          ...destination('digest', key, hourBucket),
          ...late(() => destination('digest', key, dayBucket)),
        ];
        digests.set(key, found);
      }
      return found;
    },
  };
}

/**
 * Hands out plans. `at` must be called before a delta is planned; it renews what has aged. Lifetimes of keys depend on the
 * time of day, but how long they are believed in is measured: a clock that is set back must not make it longer.
 */
export function createPlanner(retention: Retention) {
  let now = 0;
  let elapsed = 0;
  let hours = new Map<number, HourPlan>();
  let minutes = new Map<number, MinutePlan[]>();

  function destination(
    kind: Parameters<typeof sketchSuffix>[0],
    metric: string,
    bucket: Bucket,
  ): Destinations {
    // What is noted about a day must outlive every key of it.
    const seconds =
      kind === 'written' || kind === 'roll' ? recordSeconds(retention) : ttlSeconds(bucket, retention, now);
    return [sketchSuffix(kind, metric, bucket), seconds];
  }

  /**
   * A key lives until its bucket has been over for the retention. One of an older bucket has some of the
   * retention left, but nobody here knows how much: it is believed for a few minutes.
   */
  const until = (bucket: Bucket) =>
    elapsed + Math.max(bucket.end + retention[bucket.grain] - now, OLD_BUCKET_BELIEF_MS);

  return {
    /**
     * Sets the time for the plans that follow, by the clock and by the monotonic one; true where a minute has passed and
     * they are made anew.
     */
    at(instant: number, monotonic: number): boolean {
      const aged = Math.floor(instant / MINUTE_MS) !== Math.floor(now / MINUTE_MS);
      if (aged) {
        hours = new Map();
        minutes = new Map();
      }
      now = instant;
      elapsed = monotonic;
      return aged;
    },
    hour(hour: number): HourPlan {
      let plan = hours.get(hour);
      if (!plan) {
        if (hours.size >= PLANS_MAX) hours.clear();
        plan = createHourPlan(hour, { destination, until, isOver: ({ end }) => end <= now });
        hours.set(hour, plan);
      }
      return plan;
    },
    /** One plan a field, in the order of the registry. */
    minute(minute: number): MinutePlan[] {
      let found = minutes.get(minute);
      if (!found) {
        if (minutes.size >= PLANS_MAX) minutes.clear();
        const bucket = bucketAt('minute', minute * MINUTE_MS);
        found = fields.map((_, index) => ({
          slot: `minute ${minute} ${index}`,
          until: Math.min(until(bucket), elapsed + MINUTE_BELIEF_MS),
          destinations: distinctMetrics
            .filter(({ field }) => field === index)
            .flatMap(({ metric }) => destination('hll', metric, bucket)),
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
