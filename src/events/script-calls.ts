/**
 * Script calls: a system's delta as calls of apply-delta, with what the repeat filter knows left out.
 *
 * Each field's tally feeds several sketches: its values the HyperLogLogs of (minute,) hour, day, week and month
 * and the Bloom filter of the day, its counts a top-k list. A value that is new to the hour but known
 * to the day goes to the hour's sketch alone. A call is one msgpack argument, not one argument a value:
 * ioredis spends about half a microsecond on each argument, and Redis unpacks msgpack in C (docs/adr/0003).
 *
 * A delta of any size is cut into calls of bounded work, so that none blocks Redis for more than a few
 * milliseconds.
 */
import { systemKey } from '../redis/keys.js';
import { encodePayload, type PayloadValue } from '../redis/payload.js';
import { type Call, callScript } from '../redis/pipeline.js';
import { scripts } from '../redis/scripts.js';
import { bloomKeyBytes, writeBloomKey } from '../sketches/bloom.js';
import { counterField } from '../sketches/counters.js';
import { distinctMetrics, membershipMetrics, topMetrics } from '../sketches/registry.js';
import { digestOf, encodeDigest } from '../sketches/t-digest.js';
import { type BucketDelta, COUNTER_TYPES, type SystemDelta } from './delta.js';
import type { HourPlan, MinutePlan, Planner } from './hour-plan.js';
import type { Written } from './repeat-filter.js';

/** Work of one call, in units of about a microsecond of Redis. */
const CALL_COST_MAX = 2_000;
const BLOOM_ADD_COST = 4;
const TOP_ADD_COST = 2;
const LIST_COST = 4;

type Section = 'distinct' | 'membership' | 'tops' | 'digests' | 'counters' | 'written';
type Operations = Record<Section, PayloadValue[][]>;

export interface SystemCalls {
  calls: Call[];
  /** Bytes of their deltas. */
  bytes: number;
  /** To be remembered once the calls are acknowledged. */
  written: Written[];
}

/** Tells what is already written: a slot's values. */
export type Known = (slot: string) => ReadonlySet<string>;

const emptyOperations = (): Operations => ({
  distinct: [],
  membership: [],
  tops: [],
  digests: [],
  counters: [],
  written: [],
});

/** Collects operations and starts another call where one is full. */
function createCutter() {
  const full: Operations[] = [];
  let current = emptyOperations();
  let cost = 0;

  /** Adds an operation on any number of values, `arity` list elements each, in as many parts as needed. */
  function add(
    section: Section,
    head: readonly PayloadValue[],
    values: readonly PayloadValue[],
    costEach: number,
    { arity = 1, pack = (part: readonly PayloadValue[]): readonly PayloadValue[] => part } = {},
  ): void {
    for (let from = 0; from < values.length; ) {
      const room = Math.max(1, Math.floor((CALL_COST_MAX - cost) / costEach)) * arity;
      const part = from === 0 && values.length <= room ? values : values.slice(from, from + room);
      current[section].push(head.concat(pack(part)));
      from += part.length;
      cost += (part.length / arity) * costEach;
      if (cost >= CALL_COST_MAX) {
        full.push(current);
        current = emptyOperations();
        cost = 0;
      }
    }
  }
  return { add, finish: (): Operations[] => (cost > 0 ? [...full, current] : full) };
}

type Cutter = ReturnType<typeof createCutter>;

function packBloomKeys(values: readonly PayloadValue[]): Buffer[] {
  const keys = Buffer.allocUnsafe(values.length * bloomKeyBytes);
  values.forEach((value, i) => {
    writeBloomKey(value as string, keys, i * bloomKeyBytes);
  });
  return [keys];
}

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
        cutter.add('distinct', [destinations], newToMinute, destinations.length / 2);
      written.push({ slot, until, values: newToMinute });
      candidates = newToMinute; // what is in the minute was written to the hour with it, or before
    }
    const newToHour = missing(candidates, known(hourSlot));
    if (newToHour.length === 0) continue;
    const newToDay = missing(newToHour, known(daySlot));
    for (const index of distinct) {
      const { fine, coarse } = plan.distinct[index];
      cutter.add('distinct', [fine], newToHour, fine.length / 2);
      cutter.add('distinct', [coarse], newToDay, coarse.length / 2);
    }
    for (const index of membership) {
      cutter.add('membership', plan.membership[index], newToDay, BLOOM_ADD_COST, { pack: packBloomKeys });
    }
    written.push(
      { slot: hourSlot, until: plan.hourUntil, values: newToHour },
      { slot: daySlot, until: plan.dayUntil, values: newToDay },
    );
  }
}

function addCounts(cutter: Cutter, bucket: BucketDelta, plan: HourPlan): void {
  topMetrics.forEach(({ field }, index) => {
    const counts: (string | number)[] = [];
    for (const [item, count] of bucket.tallies[field]) counts.push(item, count);
    cutter.add('tops', plan.tops[index], counts, TOP_ADD_COST, { arity: 2 });
  });
  const counters: (string | number)[] = [];
  for (const [counter, count] of bucket.counters) {
    const minute = plan.firstMinute + Math.floor(counter / COUNTER_TYPES);
    counters.push(counterField(minute, counter % COUNTER_TYPES), count);
  }
  cutter.add('counters', plan.counters, counters, 1, { arity: 2 });
}

function addSamples(cutter: Cutter, bucket: BucketDelta, plan: HourPlan): void {
  for (const [key, samples] of bucket.samples) {
    const [suffix, ttl] = plan.digest(key);
    cutter.add('digests', [key, suffix, ttl, samples.length], [encodeDigest(digestOf(samples))], LIST_COST);
  }
}

interface CallContext {
  planner: Planner;
  known: Known;
  /** The epoch that `known` hangs on, '' where nothing is known. */
  epoch: string;
  /** Given to the system where it has no epoch. */
  freshEpoch: string;
}

/** The calls that write a system's delta, and what they write for the first time. */
export function systemCalls(delta: SystemDelta, context: CallContext): SystemCalls {
  const { planner, known, epoch, freshEpoch } = context;
  const cutter = createCutter();
  const written: Written[] = [];
  for (const bucket of [...delta.hours.values(), ...delta.minutes.values()]) {
    const plan = planner.hour(bucket.hour);
    const minutePlans = bucket.minute === undefined ? undefined : planner.minute(bucket.minute);
    addValues(cutter, bucket, plan, { known, minutePlans, written });
    addCounts(cutter, bucket, plan);
    addSamples(cutter, bucket, plan);
    const { writtenSlot: slot, hourOfDay } = plan;
    if (!known(slot).has(hourOfDay)) {
      cutter.add('written', plan.written, [hourOfDay], 1);
      written.push({ slot, until: plan.dayUntil, values: [hourOfDay] });
    }
  }

  const keys = [systemKey(delta.system)];
  let bytes = 0;
  const calls = cutter.finish().map((operations) => {
    const payload = encodePayload(Object.values(operations));
    bytes += payload.length;
    return callScript(scripts['apply-delta-1'], keys, [
      epoch,
      freshEpoch,
      planner.nowSeconds,
      planner.recordSeconds,
      payload,
    ]);
  });
  return { calls, bytes, written };
}
