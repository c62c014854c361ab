/**
 * Removal of a person from every top list: those are the only places that name anybody. A list that loses an item
 * raises its floor to the count that is gone, so every bound stays true of everything that was ever counted: of
 * those listed as before, of the person as of anybody who is not listed (sketches/space-saving.ts).
 *
 * Which lists a system has is known without a scan: its record notes the days that are not sealed, and a sorted set
 * those that are (redis/lua/store-day-1.lua), both for as long as a list of them may live. Systems are walked by
 * the directory, and each call of the script looks at the lists of a few days, about a millisecond. Where a
 * request has looked at `systemsMax` systems or taken `budgetMs`, it says after which the next one is to go on; doing all
 * of it again changes nothing.
 *
 * What comes in meanwhile or later is counted anew: a removal is about what was written before it. Redis down: the
 * request fails, the systems before are done, and it can be sent again.
 */
import type { Clock } from '../clock.js';
import {
  directoryKeys,
  parseDayField,
  parseRollSuffix,
  rollSuffix,
  sealedKey,
  sketchSuffix,
  systemKey,
} from '../redis/keys.js';
import { encodePayload } from '../redis/payload.js';
import { type Call, call, callScript, readPipeline, type Store } from '../redis/pipeline.js';
import { scripts } from '../redis/scripts.js';
import type { ShardsOf } from '../redis/shard-names.js';
import { type PersonKind, personOf, topMetrics } from '../sketches/registry.js';
import { type Bucket, bucketsIn, dayNamed } from '../windows/bucket.js';
import { type Retention, recordSeconds } from '../windows/retention.js';

/** One request looks at no more systems, and begins no further one after so long. */
const systemsMax = 500;
const budgetMs = 5_000;
/** Days that one call of the script looks at: 50 lists each. */
const CALL_DAYS = 10;
/** Calls of one round trip: Redis serves nobody else between them. */
const TRIP_CALLS = 4;
/** Days whose lists are kept spelled out. */
const DAYS_KEPT_MAX = 1_000;

export interface Removed {
  /** Systems looked at. */
  systems: number;
  /** Lists that held the person. */
  lists: number;
  /** Entries taken out: more than lists where a list held two forms of the id. */
  removed: number;
  /** Systems whose lists held the person. */
  touched: string[];
  /** The system after which to go on, undefined where all are done. */
  next: string | undefined;
}

interface RemovalTerms {
  kind: PersonKind;
  /** In which the id may be listed. */
  forms: readonly string[];
  /** The system after which to begin, '' for the first. */
  after: string;
  /** The systems that whoever asks may touch; undefined: all. */
  within: ReadonlySet<string> | undefined;
}

interface RemovalDependencies {
  redis: Store;
  shardsOf: ShardsOf;
  retention: Retention;
  clock: Clock;
  monotonic: Clock;
  timeoutMs: number;
}

/** The lists of a bucket that name people of a kind, as the script takes them. */
const listsOf = (kind: PersonKind, bucket: Bucket): string[] =>
  topMetrics
    .filter(({ metric }) => personOf(topMetrics, metric) === kind)
    .flatMap(({ metric }) => [sketchSuffix('top', metric, bucket), sketchSuffix('over', metric, bucket)]);

/** What the script looks at for one day, encoded once for all systems. */
function createDayTerms(kind: PersonKind) {
  const known = new Map<string, Buffer>();
  return (name: string): Buffer => {
    let found = known.get(name);
    if (!found) {
      const day = dayNamed(name);
      const hours = bucketsIn('hour', day.start, day.end).flatMap((hour) => listsOf(kind, hour));
      found = encodePayload([rollSuffix(day), listsOf(kind, day), hours]);
      if (known.size >= DAYS_KEPT_MAX) known.clear();
      known.set(name, found);
    }
    return found;
  };
}

export function createRemoval(dependencies: RemovalDependencies) {
  const { redis, shardsOf, retention, clock, monotonic, timeoutMs } = dependencies;

  /** The names of the days of a system or shard that may have lists. */
  async function daysOf(system: string): Promise<string[]> {
    const now = Math.floor(clock.now() / 1_000);
    const calls = [call('HKEYS', systemKey(system)), call('ZRANGEBYSCORE', sealedKey(system), now, '+inf')];
    const [fields, sealed] = (await readPipeline(redis, calls, timeoutMs)) as string[][];
    const names = [...fields.map(parseDayField), ...sealed.map(parseRollSuffix)];
    return [...new Set(names.filter((name) => name !== undefined))];
  }

  async function nextSystems(after: string): Promise<string[]> {
    const from = after === '' ? '-' : `(${after}`;
    const page = call('ZRANGEBYLEX', directoryKeys.names, from, '+', 'LIMIT', 0, systemsMax + 1);
    const [names] = await readPipeline(redis, [page], timeoutMs);
    return names as string[];
  }

  async function send(calls: readonly Call[]): Promise<{ lists: number; removed: number }> {
    const sum = { lists: 0, removed: 0 };
    for (let i = 0; i < calls.length; i += TRIP_CALLS) {
      const replies = await readPipeline(redis, calls.slice(i, i + TRIP_CALLS), timeoutMs);
      for (const [lists, removed] of replies as [number, number][]) {
        sum.lists += lists;
        sum.removed += removed;
      }
    }
    return sum;
  }

  /** Removes items from the lists of one system or shard. */
  async function removeFrom(system: string, items: Buffer, termsOf: (day: string) => Buffer) {
    const days = await daysOf(system);
    const calls = Array.from({ length: Math.ceil(days.length / CALL_DAYS) }, (_, i) => {
      const terms = days.slice(i * CALL_DAYS, (i + 1) * CALL_DAYS).map(termsOf);
      const key = systemKey(system);
      return callScript(scripts['remove-items-1'], [key], [recordSeconds(retention), items, ...terms]);
    });
    return send(calls);
  }

  /** Removes a person from the lists of the next systems. @throws what Redis or the connection fails with */
  return async ({ kind, forms, after, within }: RemovalTerms): Promise<Removed> => {
    const endAt = monotonic.now() + budgetMs;
    const termsOf = createDayTerms(kind);
    const items = encodePayload(forms);
    const total: Removed = { systems: 0, lists: 0, removed: 0, touched: [], next: undefined };
    let last = after;
    for (const [passed, system] of (await nextSystems(after)).entries()) {
      if (passed >= systemsMax || (passed > 0 && monotonic.now() >= endAt)) return { ...total, next: last };
      last = system;
      if (within && !within.has(system)) continue;
      const before = total.removed;
      for (const shard of shardsOf(system)) {
        const { lists, removed } = await removeFrom(shard, items, termsOf);
        total.lists += lists;
        total.removed += removed;
      }
      total.systems++;
      if (total.removed > before) total.touched.push(system);
    }
    return total;
  };
}

export type Removal = ReturnType<typeof createRemoval>;
