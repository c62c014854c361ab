/**
 * Connections to Redis: one for writes, one for questions, one for work in the background and one for limits, so that
 * a question never waits behind a pipeline of updates, and nobody behind the lists of a whole day.
 *
 * ioredis by default sends unanswered commands again after a reconnect and queues without bound while there
 * is none. Both are switched off: the first would count events twice and report success, the second would
 * hold events nobody has acknowledged. What cannot be sent now fails now, and the sender tries again.
 *
 * Redis away: a new connection is tried after pauses that double, half of each left to chance, and one that takes too
 * long is given up (opening.ts). The log tells of a loss once, not of every try.
 * Each connection has a circuit breaker (breaker.ts) that pipeline.ts asks before it sends anything.
 *
 * A connection whose handshake is refused is not used: ioredis would go on after a refused SELECT, in database 0.
 */

import type { FastifyBaseLogger } from 'fastify';
import { Redis, type RedisOptions } from 'ioredis';
import { type Clock, monotonicClock } from '../clock.js';
import type { Config } from '../config.js';
import type { Metrics } from '../metrics.js';
import { type BreakerState, breakers, createBreaker } from './breaker.js';
import { isDatabaseRefused } from './database.js';
import { watchOpening } from './opening.js';
import { scripts } from './scripts.js';

/** Whoever does not answer commands in time is not waited for when he is left. */
const DISCONNECT_MS_MAX = 100;
const RECONNECT_MS_MIN = 25;

export type ConnectionName = 'write' | 'read' | 'background' | 'limits';

/** What of the settings is about connections. */
export const connectionLimits = (config: Config) => ({
  connectTimeoutMs: config.REDIS_CONNECT_TIMEOUT_MS,
  keepAliveMs: config.REDIS_KEEP_ALIVE_SECONDS * 1_000,
  reconnectMsMax: config.REDIS_RECONNECT_MS_MAX,
  failuresMax: config.REDIS_BREAKER_FAILURES_MAX,
  openMs: config.REDIS_BREAKER_OPEN_MS,
});

export interface ConnectionDependencies {
  /** Where the server is, as ioredis takes it. */
  address: RedisOptions;
  name: ConnectionName;
  limits: ReturnType<typeof connectionLimits>;
  metrics: Metrics;
  log: FastifyBaseLogger;
  /** Of the breaker. */
  clock?: Clock;
  /** 0 to 1, for the jitter of reconnects. */
  random?: () => number;
}

function optionsOf({ address, name, limits, random = Math.random }: ConnectionDependencies): RedisOptions {
  const { connectTimeoutMs, keepAliveMs, reconnectMsMax } = limits;
  const pauseMs = (attempt: number) =>
    Math.min(RECONNECT_MS_MIN * 2 ** attempt, reconnectMsMax) * (0.5 + random() / 2);
  return {
    protocol: 2,
    connectionName: `papertrail-${name}`,
    connectTimeout: 0, // opening.ts keeps the time
    keepAlive: keepAliveMs,
    disconnectTimeout: DISCONNECT_MS_MAX,
    noDelay: true,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    retryStrategy: pauseMs,
    sentinelRetryStrategy: pauseMs,
    sentinelCommandTimeout: connectTimeoutMs,
    ...address,
  };
}

/** Opens a connection that keeps itself up. It starts at once; `ready` is emitted at every (re)connect. */
export function createConnection(dependencies: ConnectionDependencies): Redis {
  const { name, limits, log, clock = monotonicClock, random = Math.random } = dependencies;
  const redis = new Redis(optionsOf(dependencies));
  const { failuresMax, openMs } = limits;
  const breaker = createBreaker({
    failuresMax,
    openMs,
    clock,
    random,
    onChange: tellOfBreaker(name, log),
  });
  breakers.set(redis, breaker);
  watch(redis, dependencies);
  redis.on('ready', () => {
    breaker.reconnected();
    for (const script of Object.values(scripts)) redis.script('LOAD', script.source).catch(() => undefined);
  });
  return redis;
}

/** What clients get while a breaker is open, and what they get again once it is closed. */
const meanwhile: Record<ConnectionName, readonly [open: string, closed: string]> = {
  write: ['new events get 503', 'new events are taken again'],
  read: [
    'questions are answered from the cache where it has an answer, the others get 503',
    'all questions are answered again',
  ],
  background: ['requests for administration get 503, and rollups wait', 'both go on'],
  limits: ['each process limits by itself', 'limits are shared again'],
};

/** Tells when a breaker opens and when it closes, once each; what it tries in between is of no use to a reader. */
function tellOfBreaker(name: ConnectionName, log: FastifyBaseLogger): (state: BreakerState) => void {
  const [open, closed] = meanwhile[name];
  let isOpen = false;
  return (state) => {
    const fields = { connection: name, state };
    if (state === 'closed') log.info(fields, `redis: the breaker has closed: ${closed}`);
    else if (state === 'open' && !isOpen)
      log.warn(fields, `redis: the breaker has opened: until it closes, ${open}`);
    else log.debug(fields, 'redis: the breaker tries the connection');
    isOpen = state !== 'closed';
  };
}

/** Gives up a connection that cannot be used, and tells what becomes of it, everything once. */
function watch(redis: Redis, { name, limits, metrics, log }: ConnectionDependencies): void {
  let isGivenUp = false;
  let isUp = false;
  let told = '';
  function fail(error: Error & { code?: string }): void {
    if (isGivenUp) return; // what follows from that
    metrics.redisErrors.inc({ connection: name });
    const level = error.message === told ? 'debug' : 'warn';
    log[level]({ connection: name, code: error.code }, `redis: ${error.message}`);
    told = error.message;
  }
  redis.on('error', (error: Error) => {
    fail(
      isDatabaseRefused(error)
        ? new Error('the database of REDIS_URL is refused, so nothing is sent')
        : error,
    );
    if (redis.status !== 'connect' || error.name !== 'ReplyError') return;
    isGivenUp = true;
    redis.stream.destroy();
  });
  watchOpening(redis, { timeoutMs: limits.connectTimeoutMs, onTimeout: fail });
  redis.on('connecting', () => {
    isGivenUp = false;
  });
  redis.on('reconnecting', () => {
    if (isUp) log.warn({ connection: name }, 'redis: the connection is lost');
    isUp = false;
  });
  redis.on('ready', () => {
    isUp = true;
    told = '';
    log.info({ connection: name }, 'redis: connected');
  });
}
