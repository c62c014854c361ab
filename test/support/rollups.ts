/**
 * Rollups as one process runs them, and the day that their tests are about. Time is a clock that the test moves, for
 * Redis too, far enough back that no event is ahead of the write path's own now.
 */
import type { Redis } from 'ioredis';
import { pino } from 'pino';
import { loadConfig } from '../../src/config.js';
import { createMetrics } from '../../src/metrics.js';
import { connectionLimits, createConnection } from '../../src/redis/connection.js';
import { decodeTop, readDigestDays, readTopDays } from '../../src/redis/day-lists.js';
import { sketchKey } from '../../src/redis/keys.js';
import { readPipeline } from '../../src/redis/pipeline.js';
import type { ShardsOf } from '../../src/redis/shard-names.js';
import { createRollups } from '../../src/rollups/rounds.js';
import { mergeTops, type TopSummary } from '../../src/sketches/space-saving.js';
import { type Digest, decodeDigest, mergeDigests } from '../../src/sketches/t-digest.js';
import { bucketAt } from '../../src/windows/bucket.js';
import { DAY_MS, HOUR_MS } from '../../src/windows/civil.js';
import { replyDeadlineMs } from './apply-delta.js';
import { letPass } from './time-travel.js';
import { until } from './until.js';
import { now, type Row, retention } from './write-path.js';

/** The day that is folded, 2026-01-11. */
export const day = bucketAt('day', now - 20 * DAY_MS);

/** An instant of the day as an event has it. */
export const atHour = (hour: number): string => new Date(day.start + (hour + 0.5) * HOUR_MS).toISOString();

/** A clock that a test sets; Redis follows it, since every lifetime is cut by as much as it goes on. */
export function createTravel(redis: Redis) {
  let at = day.start + 12 * HOUR_MS;
  return {
    clock: { now: () => at },
    reset(): void {
      at = day.start + 12 * HOUR_MS;
    },
    async to(instant: number): Promise<void> {
      await letPass(redis, instant - at);
      at = instant;
    },
  };
}

interface ProcessOptions {
  socket: string;
  holderId: string;
  clock: { now: () => number };
  timeoutMs?: number;
  /** By default no system is spread. */
  shardsOf?: ShardsOf;
}

/** The rollups of one process, connected. */
export async function createRollupProcess(options: ProcessOptions) {
  const { socket, holderId, clock, timeoutMs = 10_000, shardsOf = (system) => [system] } = options;
  const metrics = createMetrics();
  const log = pino({ level: 'silent' });
  const connection = {
    address: { path: socket },
    name: 'background',
    limits: connectionLimits(loadConfig({})),
  } as const;
  const redis = createConnection({ ...connection, metrics, log, random: () => 0 });
  await until(() => redis.status === 'ready', 'a connection to Redis');
  const rollups = createRollups({
    redis,
    shardsOf,
    retention,
    holderId,
    clock,
    timeoutMs,
    metrics,
    log,
  });
  return {
    ...rollups,
    metrics,
    /** How many days had each outcome so far. */
    async outcomes(): Promise<Record<string, number>> {
      const { values } = await metrics.rollupDays.get();
      return Object.fromEntries(values.map(({ labels, value }) => [String(labels.outcome), value]));
    },
    close: () => redis.disconnect(),
  };
}

export type RollupProcess = Awaited<ReturnType<typeof createRollupProcess>>;

/** What a reader is told of the day: where from, and the lists as one. */
export async function readTop(redis: Redis, system: string, metric: string) {
  const { calls, decode } = readTopDays(system, metric, [day]);
  const [{ source, isPartial, lists }] = decode(await readPipeline(redis, calls, replyDeadlineMs));
  return { source, isPartial, top: mergeTops(lists.map(decodeTop)) };
}

export async function readDigest(redis: Redis, system: string, metric: string) {
  const { calls, decode } = readDigestDays(system, metric, [day]);
  const [{ source, isPartial, lists }] = decode(await readPipeline(redis, calls, replyDeadlineMs));
  const digest: Digest = mergeDigests(lists.flatMap(([, ...blobs]) => blobs.map(decodeDigest)));
  return { source, isPartial, digest };
}

/** Every count of a list, by item. */
export const countsOf = ({ counts }: TopSummary): Record<string, number> =>
  Object.fromEntries([...counts].sort());

/** How often each value of a field is in some rows. */
export function tally(rows: readonly Row[], field: string): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const row of rows) counts[String(row[field])] = (counts[String(row[field])] ?? 0) + 1;
  return Object.fromEntries(Object.entries(counts).sort());
}

/** The bytes of every list of the day itself. */
export async function dayBytes(redis: Redis, system: string): Promise<Record<string, string>> {
  const keys = (await redis.keys(sketchKey(system, 'top', 'x', day).replace(/top:x/, '*'))).sort();
  const own = keys.filter((key) => /:(?:top|over|digest):/.test(key));
  const bytes = await Promise.all(own.map((key) => redis.dumpBuffer(key)));
  return Object.fromEntries(own.map((key, i) => [key, (bytes[i] as Buffer).toString('base64')]));
}
