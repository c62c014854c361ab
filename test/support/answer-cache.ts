/** The cache of answers for a test: on a Redis of the test, with a clock that the test moves, and a question to ask. */
import { randomUUID } from 'node:crypto';
import { pino } from 'pino';
import { createAnswerCache } from '../../src/cache/answers.js';
import type { Question } from '../../src/cache/flight.js';
import { systemClock } from '../../src/clock.js';
import { loadConfig } from '../../src/config.js';
import { createMetrics } from '../../src/metrics.js';
import { connectionLimits, createConnection } from '../../src/redis/connection.js';
import { cacheKey } from '../../src/redis/keys.js';

/** 10:30 on a Monday, in an hour that is not over. */
export const start = Date.parse('2026-03-02T10:30:00Z');
const hour = { from: Date.parse('2026-03-02T10:00:00Z'), to: Date.parse('2026-03-02T11:00:00Z') };

export const keyOf = (name: string, generation = 'g'): string =>
  cacheKey({ endpoint: 'test', systems: [name], window: '1h', bucket: 'b', generation, parameters: {} });

/** A question about an open hour, unless told otherwise. */
export const question = (name: string, change: Partial<Question> = {}): Question => ({
  endpoint: 'test',
  key: keyOf(name),
  span: hour,
  refresh: false,
  serialise: JSON.stringify,
  ...change,
});

export function createTestClock() {
  let now = start;
  return {
    now: () => now,
    pass(ms: number) {
      now += ms;
    },
  };
}

interface Options {
  clock?: { now(): number };
  timeoutMs?: number;
  enabled?: boolean;
  memoryBytesMax?: number;
}

/** A cache with a connection of its own, as a process has one. Connected when it resolves. */
export async function startCache(socket: string, options: Options = {}) {
  const { timeoutMs = 800, enabled = true, memoryBytesMax = 10_000_000 } = options;
  const clock = options.clock ?? systemClock;
  const metrics = createMetrics();
  const log = pino({ level: 'silent' });
  const address = { path: socket };
  const redis = createConnection({
    address,
    name: 'read',
    limits: connectionLimits(loadConfig({})),
    metrics,
    log,
  });
  const randomId = () => randomUUID();
  const cache = createAnswerCache({
    redis,
    timeoutMs,
    memoryBytesMax,
    clock,
    metrics,
    log,
    randomId,
    enabled,
  });
  await new Promise<void>((resolve) => redis.once('ready', () => resolve()));

  /** How many answers there were of each state. */
  const tallies = (): Record<string, number> => Object.assign({}, ...metrics.cacheAnswers.counts.values());

  async function refreshes(): Promise<Record<string, number>> {
    const { values } = await metrics.cacheRefreshes.get();
    return Object.fromEntries(values.map(({ labels, value }) => [labels.outcome, value]));
  }

  return {
    cache,
    redis,
    metrics,
    tallies,
    refreshes,
    async stop() {
      await cache.settle();
      redis.disconnect();
    },
  };
}

export type TestCache = Awaited<ReturnType<typeof startCache>>;

/** A computation that says how often it ran, and goes on when it is told to. */
export function counted(value: (run: number) => unknown = (run) => ({ run })) {
  const compute = async () => {
    compute.runs++;
    return value(compute.runs);
  };
  compute.runs = 0;
  return compute;
}

export const textOf = (answer: { entry: { body: Buffer } }): string => answer.entry.body.toString();
