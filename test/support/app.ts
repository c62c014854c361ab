/**
 * The real service for a test, in the test's process: the app that `server.ts` starts, on a Redis of its own,
 * listening on a free port. Nothing is mocked; only the settings and the clock may be given.
 */
import type { AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import type { FastifyBaseLogger, FastifyInstance } from 'fastify';
import { pino } from 'pino';
import { buildApp } from '../../src/app.js';
import type { Clock } from '../../src/clock.js';
import { type Config, loadConfig } from '../../src/config.js';
import type { RedisAddress } from '../../src/redis/address.js';
import { startRedis, type TestRedis } from './redis-server.js';

export interface TestApp {
  app: FastifyInstance;
  /** Where it listens, `http://127.0.0.1:<port>`. */
  base: string;
  redis: TestRedis;
  /** Closes the app, then the Redis that it started. Harmless when called again. */
  stop(): Promise<void>;
}

interface TestAppOptions {
  /** Settings that differ from their defaults; PORT is 0. */
  config?: Partial<Config>;
  clock?: Clock;
  /** By which durations are measured; not that of `clock`, unless it is given here too. */
  monotonic?: Clock;
  /** A Redis to use, which outlives the app; by default a fresh one that ends with it. */
  redis?: TestRedis;
  /** Where it logs to; by default nowhere. */
  log?: FastifyBaseLogger;
  /** How that is to be reached, where not by its socket. */
  address?: RedisAddress;
}

interface AppOnOptions extends Omit<TestAppOptions, 'redis'> {
  address: RedisAddress;
}

const readyDeadlineMs = 120_000;
const pollMs = 10;

/** Starts the service and waits until it is ready for work. */
export async function startApp(options: TestAppOptions = {}): Promise<TestApp> {
  const { redis: given, address, ...rest } = options;
  const redis = given ?? (await startRedis());
  const stopRedis = async () => (given ? undefined : redis.stop());
  try {
    const started = await startAppOn({ ...rest, address: address ?? { path: redis.socket } });
    async function stop(): Promise<void> {
      await started.stop();
      await stopRedis();
    }
    return { ...started, redis, stop };
  } catch (error) {
    await stopRedis();
    throw error;
  }
}

/** Starts the service on what is at an address, and waits until it is ready for work. */
export async function startAppOn(options: AppOnOptions): Promise<Omit<TestApp, 'redis'>> {
  const { config, clock, monotonic, address, log = pino({ level: 'silent' }) } = options;
  // Most tests write and ask and write again: what they look for is the answer of now, not an earlier one.
  // And tests run where everything is busy, which is not what most of them are about; some count commands.
  const calm = {
    EVENT_LOOP_DELAY_MS_MAX: 60_000,
    INGEST_QUEUE_MS_MAX: 60_000,
    REDIS_HEALTH_CHECK_SECONDS: 3_600,
  };
  const settings = { ...loadConfig({}), PORT: 0, QUERY_CACHE: 'off' as const, ...calm, ...config };
  const app = await buildApp({ config: settings, address, log, clock, monotonic });
  const stop = () => app.close();
  try {
    await app.listen({ host: '127.0.0.1', port: settings.PORT });
    const base = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`;
    await untilReady(base);
    return { app, base, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function untilReady(base: string): Promise<void> {
  const signal = AbortSignal.timeout(readyDeadlineMs);
  while (!(await fetch(`${base}/readyz`)).ok) await pause(pollMs, undefined, { signal });
}
