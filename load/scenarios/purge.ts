/**
 * What a purge costs those who write meanwhile: one system among many keys is purged while events come in at a steady
 * rate, and the keyspace is walked over. Somebody asks Redis all the time on a connection of his own, so that it is seen how
 * long it answers nobody.
 */
import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { sketchKey } from '../../src/redis/keys.js';
import { scriptBySha } from '../../src/redis/scripts.js';
import { bucketAt } from '../../src/windows/bucket.js';
import { DAY_MS } from '../../src/windows/civil.js';
import { startRedis } from '../../test/support/redis-server.js';
import { formatTable } from '../results/format.js';
import { atMost, figureOf } from '../results/result.js';
import { largestOf, ranksOf } from '../results/statistics.js';
import { scenario } from '../scenario.js';
import { fire } from '../senders/cannon.js';
import { makeBodies } from '../streams/bodies.js';
import { systemName } from '../streams/events.js';
import { type Service, startService } from '../targets/service.js';

const BATCH = 100;
const CONNECTIONS = 20;
const WARM_SECONDS = 3;
const P99_TIMES_MAX = 2;
const PURGED = systemName(0);
const FILLED_AT_ONCE = 10_000;
const SLOW_ENTRIES = 1_000;

/** Puts sketches into the keyspace: of the purged system its share, the rest of others. */
async function fill(redis: Redis, keys: number, share: number): Promise<void> {
  for (let from = 0; from < keys; from += FILLED_AT_ONCE) {
    const pipeline = redis.pipeline();
    for (let i = from; i < Math.min(keys, from + FILLED_AT_ONCE); i++) {
      const system = i < keys * share ? PURGED : `other-${i % 5_000}`;
      const day = bucketAt('day', Date.now() - (i % 700) * DAY_MS);
      pipeline.pfadd(sketchKey(system, 'hll', `metric-${i}`, day), i, i + 1);
    }
    await pipeline.exec();
  }
}

/** Asks Redis all the time until told to stop. @returns the times it took, milliseconds */
function probe(url: string) {
  const connection = new Redis(url, { protocol: 2 });
  const times: number[] = [];
  let isOn = true;
  const done = (async () => {
    while (isOn) {
      const start = performance.now();
      await connection.ping();
      times.push(performance.now() - start);
      await pause(1);
    }
    connection.disconnect();
  })();
  done.catch(() => undefined); // whoever stops it hears of it
  return async () => {
    isOn = false;
    await done;
    return times;
  };
}

interface Purge {
  done: boolean;
  removed_keys: number;
  confirm: string | null;
}

async function ask({ base }: Service, body: object): Promise<Purge> {
  const answer = await fetch(`${base}/api/v1/admin/purge`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(await answer.text());
  return (await answer.json()) as Purge;
}

/** Asks for the purge and confirms it to the end. */
async function purgeOnce(service: Service) {
  const start = performance.now();
  let answer = await ask(service, { system: PURGED });
  const previewMs = performance.now() - start;
  let requests = 0;
  while (answer.confirm !== null) {
    answer = await ask(service, { confirm: answer.confirm });
    requests++;
  }
  const purgeMs = performance.now() - start - previewMs;
  return { previewMs, purgeMs, requests, removed: answer.removed_keys };
}

/** Purges for as long as it is not told to stop: the first deletes the keys, the others walk over all that is left. */
function keepPurging(service: Service) {
  const purges: Awaited<ReturnType<typeof purgeOnce>>[] = [];
  let isOver = false;
  const purging = (async () => {
    while (!isOver) purges.push(await purgeOnce(service));
  })();
  purging.catch(() => undefined); // whoever stops it hears of it
  return async () => {
    isOver = true;
    await purging;
    return purges;
  };
}

/** The longest commands since the log was emptied, milliseconds by name; scripts by their own. */
async function longestCommands(redis: Redis): Promise<string> {
  const longest = new Map<string, number>();
  const log = (await redis.slowlog('GET', SLOW_ENTRIES)) as [number, number, number, string[]][];
  for (const [, , usec, [command, sha]] of log) {
    const name = scriptBySha.get(sha)?.name ?? command;
    longest.set(name, Math.max(longest.get(name) ?? 0, usec / 1_000));
  }
  const rows = [...longest].sort(([, a], [, b]) => b - a).map(([name, ms]) => [name, ms.toFixed(2)]);
  return formatTable(['command of Redis', 'longest, ms'], rows);
}

export const purge = scenario({
  name: 'purge',
  about: 'What a purge of one system among many keys costs those who write meanwhile.',
  short: { keys: 200_000, share: 0.1, rate: 100, seconds: 8 },
  full: { keys: 1_000_000, seconds: 10 },
  async run({ keys, share, rate, seconds }, context) {
    const slowlog = ['--slowlog-log-slower-than', '500', '--slowlog-max-len', String(SLOW_ENTRIES)];
    const server = context.own(await startRedis(slowlog));
    const service = context.own(await startService({ QUERY_CACHE: 'off' }, server));
    const { redis } = service;
    context.say(`filling in ${keys} keys`);
    await fill(redis, keys, share);
    const bodies = makeBodies({ batch: BATCH, seed: 1, start: Date.now(), stepMs: 0.01 });
    const path = '/api/v1/events/batch';
    const aim = { base: service.base, path, bodies, connections: CONNECTIONS, rate };
    /** Fires for a while, with somebody who asks Redis beside it. */
    async function measure() {
      const stop = probe(server.url);
      const shot = await fire({ ...aim, seconds });
      const times = await stop();
      return { ...shot, redisP99: ranksOf(times).p99, redisLongest: largestOf(times) };
    }
    context.say('events alone');
    await fire({ ...aim, seconds: WARM_SECONDS });
    const before = await measure();
    await redis.slowlog('RESET');
    await redis.config('RESETSTAT');
    context.say('events and purges');
    const endPurges = context.own({ stop: keepPurging(service) });
    const after = await measure();
    const purges = await endPurges.stop();
    const [first] = purges;
    const scanUsec = /cmdstat_scan:.*usec_per_call=([\d.]+)/.exec(await redis.info('commandstats'))?.[1];
    context.detail(await longestCommands(redis));
    return [
      figureOf('p99 of ingest without a purge', before.p99, 'ms'),
      figureOf('p99 of ingest with purges', after.p99, 'ms'),
      atMost('p99 of ingest with purges, against without', after.p99 / before.p99, 'times', P99_TIMES_MAX),
      atMost('requests that failed', before.failures + after.failures, '', 0),
      figureOf('Redis answered somebody else, p99', after.redisP99, 'ms'),
      figureOf('and at the longest', after.redisLongest, 'ms'),
      figureOf('to say what would go', first.previewMs, 'ms'),
      figureOf('to purge', first.purgeMs, 'ms'),
      figureOf('keys purged', first.removed, ''),
      figureOf('requests it took', first.requests, ''),
      figureOf('purges over all keys after it', purges.length - 1, ''),
      figureOf('a step of a walk, of Redis', Number(scanUsec) / 1_000, 'ms'),
    ];
  },
});
