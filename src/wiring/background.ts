/**
 * What goes on beside the requests: what a (new) connection sets off, and the jobs. A new connection may lead to
 * another server, or to one that lost its tail, so nothing is believed to be written any more; and what was
 * invalidated meanwhile is not answered from a cache.
 */
import type { FastifyBaseLogger } from 'fastify';
import { type Keys, lookAtKeysEveryMs } from '../access/keys.js';
import { warmEveryMs } from '../cache/answers.js';
import { lookEveryMs } from '../cache/generations.js';
import type { Clock } from '../clock.js';
import { createWarmUp } from '../compliance/warm-up.js';
import type { Config } from '../config.js';
import { lateFlushMs } from '../events/late-writes.js';
import type { Readiness } from '../health/readiness.js';
import { type Job, startJob } from '../jobs.js';
import { call, isReachable, runPipeline, type Store } from '../redis/pipeline.js';
import type { Shards } from '../redis/shards.js';
import { mastersOf } from '../redis/store.js';
import { type Rollups, roundMs } from '../rollups/rounds.js';
import type { Connections } from './connections.js';
import type { ReadPath } from './read-path.js';
import type { WritePath } from './write-path.js';

const EVICTION_LOOK_MS = 60_000;
const DIRECTORY_FLUSH_MS = 1_000;

interface BackgroundDependencies {
  config: Config;
  keys: Keys;
  redis: Connections;
  shards: Shards;
  write: WritePath;
  read: ReadPath;
  readiness: Readiness;
  rollups: Rollups;
  clock: Clock;
  log: FastifyBaseLogger;
}

/** Tries every connection: one that is dead is dropped and made anew, and a breaker finds out whether to close. */
async function checkHealth(redis: Connections, config: Config): Promise<void> {
  const pings = (store: Store, timeoutMs: number) =>
    mastersOf(store).map((server) => runPipeline(server, [call('PING')], timeoutMs));
  await Promise.all([
    ...pings(redis.write, config.REDIS_INGEST_TIMEOUT_MS),
    ...pings(redis.read, config.REDIS_QUERY_TIMEOUT_MS),
    ...pings(redis.background, config.REDIS_INGEST_TIMEOUT_MS),
  ]);
}

/** Starts all of it. @returns the jobs, to be stopped */
export function startBackground(dependencies: BackgroundDependencies): Job[] {
  const { config, keys, redis, shards, write, read, readiness, rollups, clock, log } = dependencies;
  const { directory, filter, lateWrites } = write;
  const { cache } = read;
  const isCached = config.QUERY_CACHE === 'on';
  const warmUp = createWarmUp({
    isReady: () => isCached && redis.read.status === 'ready' && directory.isLoaded,
    latestSystems: directory.latest,
    shardsOf: shards.shardsOf,
    look: cache.look,
    ask: read.ask,
    summaries: read.summaries,
    clock,
    log,
  });
  redis.write.on('ready', () => {
    filter.forgetAll();
    const loading = directory.load();
    loading.then(warmUp).catch((error: Error) => log.warn({ err: error }, 'the directory could not be read'));
    // Where the breaker was open that call is the probe, and another would be refused.
    if (isReachable(redis.write)) void readiness.lookAtEviction();
    else loading.then(readiness.lookAtEviction, () => undefined);
  });
  redis.read.on('ready', () => {
    if (!isCached) return;
    cache
      .look()
      .then(warmUp)
      .catch((error: Error) => log.warn({ err: error }, 'invalidations could not be looked for'));
  });
  const start = (name: string, everyMs: number, run: () => Promise<void>) =>
    startJob({ name, everyMs, run, log });
  return [
    start('health check', config.REDIS_HEALTH_CHECK_SECONDS * 1_000, () => checkHealth(redis, config)),
    start('look at the API keys', lookAtKeysEveryMs, keys.look),
    start('eviction look', EVICTION_LOOK_MS, readiness.lookAtEviction),
    start('directory flush', DIRECTORY_FLUSH_MS, async () => {
      // A directory that could not be read when the connection was made is read now, and the shards with it.
      if (redis.write.status === 'ready') await (directory.isLoaded ? shards.look() : directory.load());
      await directory.learnPurges();
      await directory.flush();
    }),
    ...(isCached ? [start('look for invalidations', lookEveryMs, cache.look)] : []),
    ...(isCached ? [start('cache warming', warmEveryMs, cache.warm)] : []),
    // Also where this process keeps no answers: others may.
    start('late writes', lateFlushMs, () => lateWrites.flush(cache.invalidateClosed)),
    start('rollups', roundMs, rollups.round),
  ];
}
