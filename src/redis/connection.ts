/**
 * Connections to Redis: one for writes, one for questions, one for work in the background and one for limits, so that
 * a question never waits behind a pipeline of updates, and nobody behind the lists of a whole day.
 *
 * ioredis by default sends unanswered commands again after a reconnect and queues without bound while there
 * is none. Both are switched off: the first would count events twice and report success, the second would
 * hold events nobody has acknowledged. What cannot be sent now fails now, and the sender tries again.
 *
 * Redis away: a new connection is tried every half second at the most. One that is accepted and then hears nothing
 * (packets vanish, or the data is still being loaded) is given up after the time that connecting may take; ioredis by
 * itself would wait for the first reply for as long as the socket lives. The log tells of a loss once, not of every try.
 */

import type { FastifyBaseLogger } from 'fastify';
import { Redis, type RedisOptions } from 'ioredis';
import type { Metrics } from '../metrics.js';
import type { NodeAccess } from './cluster/address.js';
import { scripts } from './scripts.js';

/** Whoever does not answer commands in time is not waited for when he is left. */
const DISCONNECT_MS_MAX = 100;
const RECONNECT_MS_MAX = 500;

export type ConnectionName = 'write' | 'read' | 'background' | 'limits';

/** Where Redis is: a URL, a unix socket or a port. store.ts knows the URLs of clusters, ioredis the others. */
export type RedisAddress = string | { path: string } | ({ host: string; port: number } & NodeAccess);

export interface ConnectionDependencies {
  address: RedisAddress;
  name: ConnectionName;
  connectTimeoutMs: number;
  metrics: Metrics;
  log: FastifyBaseLogger;
  /** 0 to 1, for the jitter of reconnects. */
  random?: () => number;
}

/** Opens a connection that keeps itself up. It starts at once; `ready` is emitted at every (re)connect. */
export function createConnection(dependencies: ConnectionDependencies): Redis {
  const { address, name, connectTimeoutMs, random = Math.random } = dependencies;
  const options: RedisOptions = {
    protocol: 2,
    connectionName: `papertrail-${name}`,
    connectTimeout: connectTimeoutMs,
    keepAlive: 10_000,
    disconnectTimeout: DISCONNECT_MS_MAX,
    noDelay: true,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    retryStrategy: (attempt) => Math.min(25 * 2 ** attempt, RECONNECT_MS_MAX) * (0.5 + random() / 2),
  };
  const redis =
    typeof address === 'string' ? new Redis(address, options) : new Redis({ ...options, ...address });
  watch(redis, dependencies);
  redis.on('ready', () => {
    for (const script of Object.values(scripts)) redis.script('LOAD', script.source).catch(() => undefined);
  });
  return redis;
}

/** Gives up a connection that hears nothing, and tells what becomes of it, everything once. */
function watch(redis: Redis, { name, connectTimeoutMs, metrics, log }: ConnectionDependencies): void {
  let greeting: NodeJS.Timeout | undefined;
  let isUp = false;
  let told = '';
  function fail(error: Error & { code?: string }): void {
    metrics.redisErrors.inc({ connection: name });
    const level = error.message === told ? 'debug' : 'warn';
    log[level]({ connection: name, code: error.code }, `redis: ${error.message}`);
    told = error.message;
  }
  redis.on('error', fail);
  redis.on('connect', () => {
    greeting = setTimeout(() => {
      fail(new Error('connected, but there is no answer, or it is still loading'));
      redis.disconnect(true);
    }, connectTimeoutMs);
  });
  redis.on('close', () => clearTimeout(greeting));
  redis.on('reconnecting', () => {
    if (isUp) log.warn({ connection: name }, 'redis: the connection is lost');
    isUp = false;
  });
  redis.on('ready', () => {
    clearTimeout(greeting);
    isUp = true;
    told = '';
    log.info({ connection: name }, 'redis: connected');
  });
}
