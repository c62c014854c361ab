/**
 * A census: how many keys of which sketch there are, and from a sample of them how large they are and how long they
 * live. Counting costs one walk over the keyspace (redis/scan.ts) and nothing a key; asking each key for its size would
 * cost a command each, so that is asked of the first `measuredMax` keys of each sketch. SCAN comes upon keys in the
 * order of their hashes, so the first are as good as any. Where these are all, the bytes are a sum, else they are
 * extrapolated from the mean, and the answer says which.
 *
 * Sizes are those of `MEMORY USAGE`, which looks at a few elements of a list, a hash or a sorted set.
 */
import type { Clock } from '../clock.js';
import { type ParsedKey, type SketchKind, sketchKinds } from '../redis/keys.js';
import { call, readPipeline, type Store, toProblem } from '../redis/pipeline.js';
import { scan, scanStart } from '../redis/scan.js';
import type { ShardsOf } from '../redis/shard-names.js';
import { acceptKey, type SystemFilter } from '../redis/system-filter.js';

/** How long one request may walk, milliseconds. */
export const walkMs = 10_000;
/** Keys of a sketch that are asked how large they are. */
const measuredMax = 100;
/** Elements of a key that `MEMORY USAGE` looks at. */
const SAMPLES = 5;
/** Commands of one round trip. */
const TRIP_KEYS_MAX = 100;

/** The sketches, and the records of systems themselves. */
const censusKinds = ['record', ...sketchKinds] as const;
export type CensusKind = (typeof censusKinds)[number];
export const kindOf = ({ sketch }: ParsedKey): CensusKind => sketch?.kind ?? 'record';

interface KindReport {
  keys: number;
  bytes: number;
  /** Of those measured; null where none has any. */
  ttl_seconds: { min: number; max: number } | null;
}

export interface Census {
  keys: number;
  bytes: number;
  bytes_are: 'sum' | 'extrapolation';
  /** Keys that bytes and times to live are known of. */
  measured: number;
  /** Whether the walk came to its end in time; else there are more. */
  complete: boolean;
  sketches: Partial<Record<CensusKind, KindReport>>;
}

export interface AdminRedis {
  redis: Store;
  shardsOf: ShardsOf;
  clock: Clock;
  monotonic: Clock;
  timeoutMs: number;
}

interface Counted {
  keys: number;
  sample: string[];
}

async function measure({ redis, timeoutMs }: AdminRedis, keys: readonly string[]) {
  let bytes = 0;
  const ttls: number[] = [];
  for (let i = 0; i < keys.length; i += TRIP_KEYS_MAX) {
    const calls = keys
      .slice(i, i + TRIP_KEYS_MAX)
      .flatMap((key) => [call('MEMORY', 'USAGE', key, 'SAMPLES', SAMPLES), call('TTL', key)]);
    const replies = await readPipeline(redis, calls, timeoutMs).catch((error: Error) => {
      throw toProblem(error);
    });
    replies.forEach((reply, place) => {
      if (place % 2 === 0) bytes += Number(reply ?? 0);
      else if (Number(reply) >= 0) ttls.push(Number(reply));
    });
  }
  return { bytes, ttl: ttls.length > 0 ? { min: Math.min(...ttls), max: Math.max(...ttls) } : null };
}

/** Counts and measures the keys that a filter accepts. @throws Problem redis_unavailable */
export async function takeCensus(
  admin: AdminRedis,
  filter: SystemFilter,
  kinds?: ReadonlySet<SketchKind>,
): Promise<Census> {
  const counted = new Map<CensusKind, Counted>();
  const { match, sibling } = filter;
  const rest = await scan({ ...admin, match, sibling, from: scanStart, budgetMs: walkMs }, (keys) => {
    for (const key of keys) {
      const parsed = acceptKey(key, filter, kinds);
      if (!parsed) continue;
      const kind = kindOf(parsed);
      const found = counted.get(kind) ?? { keys: 0, sample: [] };
      found.keys++;
      if (found.sample.length < measuredMax) found.sample.push(key);
      counted.set(kind, found);
    }
    return undefined;
  });
  const census: Census = {
    keys: 0,
    bytes: 0,
    bytes_are: 'sum',
    measured: 0,
    complete: rest === undefined,
    sketches: {},
  };
  for (const kind of censusKinds) {
    const found = counted.get(kind);
    if (!found) continue;
    const { bytes: measured, ttl } = await measure(admin, found.sample);
    const bytes = Math.round((measured / found.sample.length) * found.keys);
    census.sketches[kind] = { keys: found.keys, bytes, ttl_seconds: ttl };
    census.keys += found.keys;
    census.bytes += bytes;
    census.measured += found.sample.length;
    if (found.sample.length < found.keys) census.bytes_are = 'extrapolation';
  }
  return census;
}
