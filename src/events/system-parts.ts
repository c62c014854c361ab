/**
 * Script parts: what a system's delta asks of apply-delta, with what the repeat filter knows left out.
 *
 * Each field's tally feeds several sketches: its values the HyperLogLogs of (minute,) hour, day, week and month
 * and the Bloom filter of the day, its counts a top-k list. A value that is new to the hour but known
 * to the day goes to the hour's sketch alone.
 *
 * A delta of any size is cut into parts of bounded work, so that no call blocks Redis for more than a few
 * milliseconds. `pack-calls.ts` makes calls of the parts. A delta with a marker or with ids is one part whatever it
 * costs: its rows are few, and what is marked as stored, or known from now on, must not depend on what a process knows
 * or estimates (marked-rows.ts, identified-rows.ts).
 */
import { bloomKeyBytes, writeBloomKey } from '../sketches/bloom.js';
import { packCountRecords } from '../sketches/count-min.js';
import { counterField, failedInDay, failedInHour, failedInMinute } from '../sketches/counters.js';
import { idHashBytes, writeIdHash } from '../sketches/hash.js';
import { distinctMetrics, frequencyMetrics, membershipMetrics, topMetrics } from '../sketches/registry.js';
import { digestOf, encodeDigest } from '../sketches/t-digest.js';
import { type BucketDelta, COUNTER_TYPES, FAILED_LOGINS, type SystemDelta } from './delta.js';
import type { Destinations, HourPlan, MinutePlan, Planner } from './hour-plan.js';
import { CALL_COST_MAX, type Part, type Section } from './pack-calls.js';
import { type Cutter, createCutter, type ValueOptions } from './part-cutter.js';
import type { Written } from './repeat-filter.js';

const BLOOM_ADD_COST = 4;
const TOP_ADD_COST = 2;
const FREQUENCY_COST = 0.7;
const LIST_COST = 4;
const ID_COST = 2;

export interface SystemParts {
  parts: Part[];
  /** To be remembered once the parts are acknowledged. */
  written: Written[];
}

/** Tells what is already written: a slot's values. */
type Known = (slot: string) => ReadonlySet<string>;

function packBloomKeys(values: readonly string[]): [Buffer] {
  const keys = Buffer.allocUnsafe(values.length * bloomKeyBytes);
  values.forEach((value, i) => {
    writeBloomKey(value, keys, i * bloomKeyBytes);
  });
  return [keys];
}

const packFrequencies = (values: readonly string[], counts: readonly number[]) => [
  packCountRecords(values, counts),
];

const indexesOf = (rows: readonly { field: number }[], field: number) =>
  rows.flatMap((row, index) => (row.field === field ? [index] : []));

/** The fields whose values (not only counts) are kept, and which metrics each feeds. */
const valueFields = [...new Set([...distinctMetrics, ...membershipMetrics].map((row) => row.field))].map(
  (field) => ({
    field,
    distinct: indexesOf(distinctMetrics, field),
    membership: indexesOf(membershipMetrics, field),
  }),
);

interface ValueContext {
  known: Known;
  /** Of the bucket's minute, where it is one. */
  minutePlans: MinutePlan[] | undefined;
  written: Written[];
}

const missing = (values: Iterable<string>, known: ReadonlySet<string>): string[] => {
  const fresh: string[] = [];
  for (const value of values) if (!known.has(value)) fresh.push(value);
  return fresh;
};

function addValues(cutter: Cutter, bucket: BucketDelta, plan: HourPlan, context: ValueContext): void {
  const { known, minutePlans, written } = context;
  for (const { field, distinct, membership } of valueFields) {
    const tally = bucket.tallies[field];
    if (tally.size === 0) continue;
    const hourSlot = plan.hourSlots[field];
    const daySlot = plan.daySlots[field];
    let candidates: Iterable<string> = tally.keys();
    if (minutePlans) {
      const { slot, until, destinations } = minutePlans[field];
      const newToMinute = missing(candidates, known(slot));
      if (newToMinute.length === 0) continue;
      if (destinations.length > 0)
        cutter.addValues('distinct', destinations, newToMinute, destinations.length / 2);
      written.push({ slot, until, values: newToMinute });
      candidates = newToMinute; // what is in the minute was written to the hour with it, or before
    }
    const newToHour = missing(candidates, known(hourSlot));
    if (newToHour.length === 0) continue;
    const newToDay = missing(newToHour, known(daySlot));
    for (const index of distinct) {
      const { fine, coarse } = plan.distinct[index];
      cutter.addValues('distinct', fine, newToHour, fine.length / 2);
      cutter.addValues('distinct', coarse, newToDay, coarse.length / 2);
    }
    for (const index of membership) {
      cutter.addValues('membership', plan.membership[index], newToDay, BLOOM_ADD_COST, {
        pack: packBloomKeys,
      });
    }
    written.push(
      { slot: hourSlot, until: plan.hourUntil, values: newToHour },
      { slot: daySlot, until: plan.dayUntil, values: newToDay },
    );
  }
}

/** What goes to one key: two minutes of an hour share their lists, two hours of a day their counters. */
interface Gathered<T> {
  head: Destinations;
  content: T;
  /** Whether `content` is borrowed from a delta and must be copied before it grows. */
  isBorrowed: boolean;
}

/** How one kind of content is copied and grows. */
interface Growth<T> {
  copy: (content: T) => T;
  /** Adds what `more` holds to `content`. */
  grow: (content: T, more: T) => void;
}

const growingCounts: Growth<Map<string, number>> = {
  copy: (counts) => new Map(counts),
  grow(counts, more) {
    for (const [item, count] of more) counts.set(item, (counts.get(item) ?? 0) + count);
  },
};

const growingSamples: Growth<number[]> = {
  copy: (samples) => [...samples],
  grow(samples, more) {
    for (const sample of more) samples.push(sample);
  },
};

/** Adds to what goes to a key, which `suffix` names. */
function gather<T>(
  into: Map<string, Gathered<T>>,
  suffix: string,
  { head, content }: { head: Destinations; content: T },
  { copy, grow }: Growth<T>,
): void {
  const found = into.get(suffix);
  if (!found) {
    into.set(suffix, { head, content, isBorrowed: true });
    return;
  }
  if (found.isBorrowed) found.content = copy(found.content);
  found.isBorrowed = false;
  grow(found.content, content);
}

type CountOptions = Pick<ValueOptions, 'pack'> & { costEach: number };

/** What a bucket adds to the counters of its day, by field: events, and failed log-ins where there are some. */
function countsOf({ counters }: BucketDelta, { firstMinute }: HourPlan) {
  const events = new Map<string, number>();
  let failed: Map<string, number> | undefined;
  for (const [counter, count] of counters) {
    const minute = firstMinute + Math.floor(counter / COUNTER_TYPES);
    const code = counter % COUNTER_TYPES;
    if (code !== FAILED_LOGINS) events.set(counterField(minute, code), count);
    else {
      const ofHour = failedInHour(firstMinute / 60);
      const sum = (failed?.get(failedInDay) ?? 0) + count;
      failed ??= new Map();
      failed.set(failedInMinute(minute), count).set(ofHour, sum).set(failedInDay, sum);
    }
  }
  return { events, failed };
}

/** Collects what is counted or measured, and adds it to the parts as one operation a key. */
function createGatherer(cutter: Cutter) {
  const tops = new Map<string, Gathered<Map<string, number>>>();
  const counters = new Map<string, Gathered<Map<string, number>>>();
  const frequencies = new Map<string, Gathered<Map<string, number>>>();
  const samples = new Map<string, Gathered<number[]>>();

  function addCounts(section: Section, gathered: typeof tops, { costEach, ...options }: CountOptions): void {
    for (const { head, content } of gathered.values()) {
      const counts = [...content.values()];
      cutter.addValues(section, head, [...content.keys()], costEach, { ...options, counts });
    }
  }

  return {
    take(bucket: BucketDelta, plan: HourPlan): void {
      topMetrics.forEach(({ field }, index) => {
        const head = plan.tops[index];
        const content = bucket.tallies[field];
        if (content.size > 0) gather(tops, head[0] as string, { head, content }, growingCounts);
      });
      frequencyMetrics.forEach(({ field }, index) => {
        const head = plan.frequency[index];
        const content = bucket.tallies[field];
        if (content.size > 0) gather(frequencies, head[0] as string, { head, content }, growingCounts);
      });
      const { events, failed } = countsOf(bucket, plan);
      gather(counters, plan.counters[0] as string, { head: plan.counters, content: events }, growingCounts);
      if (failed) {
        const head = plan.failedLogins;
        gather(counters, head[0] as string, { head, content: failed }, growingCounts);
      }
      for (const [key, content] of bucket.samples) {
        const digest = plan.digest(key);
        gather(samples, digest[1] as string, { head: digest, content }, growingSamples);
      }
    },
    finish(): void {
      addCounts('tops', tops, { costEach: TOP_ADD_COST });
      addCounts('counters', counters, { costEach: 1 });
      addCounts('frequency', frequencies, { costEach: FREQUENCY_COST, pack: packFrequencies });
      for (const { head, content } of samples.values()) {
        cutter.add('digests', head, [content.length, encodeDigest(digestOf(content))], LIST_COST);
      }
    },
  };
}

function packIds(ids: readonly string[]): Buffer {
  const hashes = Buffer.allocUnsafe(ids.length * idHashBytes);
  ids.forEach((id, i) => {
    writeIdHash(id, hashes, i * idHashBytes);
  });
  return hashes;
}

interface PartContext {
  planner: Planner;
  /** Where the ids of events are looked up; undefined where they are not. */
  idsHead?: Destinations | undefined;
  known: Known;
  /** The epoch that `known` hangs on, '' where nothing is known. */
  epoch: string;
  /** Given to the system where it has no epoch. */
  freshEpoch: string;
}

/** The parts that write a system's delta, and what they write for the first time. */
export function systemParts(delta: SystemDelta, context: PartContext): SystemParts {
  const { planner, idsHead, known, epoch, freshEpoch } = context;
  const { system, marker, kept } = delta;
  const cutter = createCutter(marker || kept ? Number.POSITIVE_INFINITY : CALL_COST_MAX);
  const gatherer = createGatherer(cutter);
  const written: Written[] = [];
  for (const bucket of [...delta.hours.values(), ...delta.minutes.values()]) {
    const plan = planner.hour(bucket.hour);
    const minutePlans = bucket.minute === undefined ? undefined : planner.minute(bucket.minute);
    addValues(cutter, bucket, plan, { known, minutePlans, written });
    gatherer.take(bucket, plan);
    const { writtenSlot: slot, hourOfDay } = plan;
    if (!known(slot).has(hourOfDay)) {
      cutter.addValues('written', plan.written, [hourOfDay], 1);
      written.push({ slot, until: plan.dayUntil, values: [hourOfDay] });
    }
  }
  gatherer.finish();
  const sent = idsHead && kept ? kept.ids.filter((id) => id !== undefined) : [];
  const ids = idsHead && sent.length > 0 ? { head: idsHead, hashes: packIds(sent) } : undefined;
  const parts = cutter.finish().map((cut, place) => ({
    system,
    epoch,
    freshEpoch: `${freshEpoch}.${place}`, // so that a purge between two parts is noticed
    marker,
    ids,
    ...cut,
    cost: cut.cost + sent.length * ID_COST,
  }));
  return { parts, written };
}
