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
import type { Readiness } from '../health/readiness.js';
import { type Rollups, roundMs } from '../rollups/rounds.js';
import { type Job, startJob } from '../workers.js';
import type { Connections } from './connections.js';
import type { ReadPath } from './read-path.js';
import type { WritePath } from './write-path.js';

const EVICTION_LOOK_MS = 60_000;
const DIRECTORY_FLUSH_MS = 1_000;

interface BackgroundDependencies {
  config: Config;
  keys: Keys;
  redis: Connections;
  write: WritePath;
  read: ReadPath;
  readiness: Readiness;
  rollups: Rollups;
  clock: Clock;
  log: FastifyBaseLogger;
}

/** Starts all of it. @returns the jobs, to be stopped */
export function startBackground(dependencies: BackgroundDependencies): Job[] {
  const { config, keys, redis, write, read, readiness, rollups, clock, log } = dependencies;
  const { directory, filter } = write;
  const { cache } = read;
  const isCached = config.QUERY_CACHE === 'on';
  const warmUp = createWarmUp({
    isReady: () => isCached && redis.read.status === 'ready' && directory.isLoaded,
    latestSystems: directory.latest,
    look: cache.look,
    ask: read.ask,
    summaries: read.summaries,
    clock,
    log,
  });
  redis.write.on('ready', () => {
    filter.forgetAll();
    directory
      .load()
      .then(warmUp)
      .catch((error: Error) => log.warn({ err: error }, 'the directory could not be read'));
    void readiness.lookAtEviction();
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
    start('look at the API keys', lookAtKeysEveryMs, keys.look),
    start('eviction look', EVICTION_LOOK_MS, readiness.lookAtEviction),
    start('directory flush', DIRECTORY_FLUSH_MS, async () => {
      await directory.learnPurges();
      await directory.flush();
    }),
    ...(isCached ? [start('look for invalidations', lookEveryMs, cache.look)] : []),
    ...(isCached ? [start('cache warming', warmEveryMs, cache.warm)] : []),
    start('rollups', roundMs, rollups.round),
  ];
}
