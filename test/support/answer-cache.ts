/** The cache of answers for a test: on a Redis of the test, with a clock that the test moves, and a question to ask. */
import { randomUUID } from 'node:crypto';
import { pino } from 'pino';
import type { Test } from 'tap';
import { createAnswerCache } from '../../src/cache/answers.js';
import type { Question } from '../../src/cache/flight.js';
import { monotonicClock } from '../../src/clock.js';
import { saysNo } from '../../src/compliance/statement.js';
import { loadConfig } from '../../src/config.js';
import { createMetrics } from '../../src/metrics.js';
import { connectionLimits, createConnection } from '../../src/redis/connection.js';
import { cacheKey } from '../../src/redis/keys.js';
import type { TestRedis } from './redis-server.js';
import { withRedis } from './redis-state.js';

/** An hour that is not over for a long time, whatever the clock of Redis says. */
const hour = { from: Date.parse('9000-01-01T10:00:00Z'), to: Date.parse('9000-01-01T11:00:00Z') };

export const keyOf = (name: string, generation = 'g'): string =>
  cacheKey({ endpoint: 'test', systems: [name], window: '1h', bucket: 'b', generation, parameters: {} });

/** A question about an open hour, unless told otherwise. */
export const question = (name: string, change: Partial<Question> = {}): Question => ({
  endpoint: 'test',
  key: keyOf(name),
  span: hour,
  closed: false,
  refresh: false,
  serialise: JSON.stringify,
  isNo: saysNo,
  ...change,
});

/** A monotonic clock that the test moves. */
export function createTestClock() {
  let now = 1_000_000;
  return {
    now: () => now,
    pass(ms: number) {
      now += ms;
    },
  };
}

/** Makes the answers in Redis older by `ms`, as if that time had passed there too. */
export async function age(server: TestRedis, ms: number): Promise<void> {
  await withRedis(server, async (redis) => {
    for (const key of await redis.keys('pt:cache:*')) {
      if ((await redis.hexists(key, 'answer')) === 0) continue;
      await redis.hincrby(key, 'computed', -ms);
      await redis.hincrby(key, 'fresh', -ms);
    }
  });
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
  const clock = options.clock ?? monotonicClock;
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
    inFlight: (work) => work(),
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

/** Two processes with a cache each, on one Redis; they stop with the test. */
export async function twoCaches(t: Pick<Test, 'teardown'>, server: TestRedis) {
  const clock = createTestClock();
  /** Lets time pass for the processes and for Redis. */
  const pass = async (ms: number) => {
    clock.pass(ms);
    await age(server, ms);
  };
  const caches = await Promise.all([
    startCache(server.socket, { clock }),
    startCache(server.socket, { clock }),
  ]);
  t.teardown(() => Promise.all(caches.map((one) => one.stop())));
  return { pass, one: caches[0], other: caches[1] };
}

/** A computation that says how often it ran, and goes on when it is told to. */
export function counted(value: (run: number) => object = (run) => ({ run })) {
  const compute = async () => {
    compute.runs++;
    return value(compute.runs);
  };
  compute.runs = 0;
  return compute;
}

export const textOf = (answer: { entry: { body: Buffer } }): string => answer.entry.body.toString();
