/**
 * What a purge costs those who write meanwhile: one system among many keys is purged while events come in at a steady
 * rate, and the keyspace is walked over.
 *
 *   npm run build && node build/load/purge.js [--keys 1000000] [--share 0.1] [--rate 100] [--seconds 10]
 *
 * Prints the latency of ingest without and with it, as bodies of 100 events, `rate` of them a second; the longest time Redis
 * did not answer somebody who asks it all the time on a connection of his own, without and with it; the longest commands;
 * and how long it took. Exits with 1 where the p99 of ingest more than doubles.
 */
import { performance } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { Redis } from 'ioredis';
import { sketchKey } from '../src/redis/keys.js';
import { scriptBySha } from '../src/redis/scripts.js';
import { bucketAt } from '../src/windows/bucket.js';
import { DAY_MS } from '../src/windows/civil.js';
import { startRedis } from '../test/support/redis-server.js';
import { fire, ranksOf, type Shot } from './cannon.js';
import { startService } from './processes.js';
import { makeBodies } from './stream.js';

const { values } = parseArgs({
  options: {
    keys: { type: 'string', default: '1000000' },
    share: { type: 'string', default: '0.1' },
    rate: { type: 'string', default: '100' },
    seconds: { type: 'string', default: '10' },
  },
});
const keys = Number(values.keys);
const share = Number(values.share);
const rate = Number(values.rate);
const seconds = Number(values.seconds);
const BATCH = 100;
const CONNECTIONS = 20;
const P99_TIMES_MAX = 2;
const PURGED = 'system-00';

const server = await startRedis(['--slowlog-log-slower-than', '500', '--slowlog-max-len', '1000']);
const redis = new Redis(server.url, { protocol: 2 });
const service = await startService({ QUERY_CACHE: 'off' }, server);

/** Puts sketches into the keyspace: of the purged system its share, the rest of others. */
async function fill(): Promise<void> {
  const filled = 10_000;
  for (let from = 0; from < keys; from += filled) {
    const pipeline = redis.pipeline();
    for (let i = from; i < Math.min(keys, from + filled); i++) {
      const system = i < keys * share ? PURGED : `other-${i % 5_000}`;
      const day = bucketAt('day', Date.now() - (i % 700) * DAY_MS);
      pipeline.pfadd(sketchKey(system, 'hll', `metric-${i}`, day), i, i + 1);
    }
    await pipeline.exec();
  }
}

/** Asks Redis all the time until told to stop. @returns the times it took, milliseconds */
function probe() {
  const connection = new Redis(server.url, { protocol: 2 });
  const times: number[] = [];
  let isOn = true;
  const done = (async () => {
    while (isOn) {
      const start = performance.now();
      await connection.ping();
      times.push(performance.now() - start);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    connection.disconnect();
  })();
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

async function ask(body: object): Promise<Purge> {
  const answer = await fetch(`${service.base}/api/v1/admin/purge`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(await answer.text());
  return (await answer.json()) as Purge;
}

/** Asks for the purge and confirms it to the end. */
async function purge() {
  const start = performance.now();
  let answer = await ask({ system: PURGED });
  const previewMs = performance.now() - start;
  let requests = 0;
  while (answer.confirm !== null) {
    answer = await ask({ confirm: answer.confirm });
    requests++;
  }
  return {
    previewMs,
    purgeMs: performance.now() - start - previewMs,
    requests,
    removed: answer.removed_keys,
  };
}

const bodies = makeBodies(BATCH, 1_000, { seed: 1, start: Date.now(), stepMs: 0.01 });
const aim = { base: service.base, path: '/api/v1/events/batch', bodies, connections: CONNECTIONS, rate };
const rounded = (ms: number) => ms.toFixed(ms < 10 ? 2 : 0);

/** Fires for a while, with somebody who asks Redis beside it. */
async function measure(name: string): Promise<Shot> {
  const stop = probe();
  const shot = await fire({ ...aim, seconds });
  const times = await stop();
  const { p50, p99 } = shot;
  console.log(
    `${name}: ingest p50 ${rounded(p50)}, p99 ${rounded(p99)} ms, ${shot.failures} failures; ` +
      `Redis answered in ${rounded(ranksOf(times).p99)} ms (p99), ${rounded(Math.max(...times))} ms at the longest`,
  );
  return shot;
}

await fill();
console.log(`${await redis.dbsize()} keys, ${share * 100}% of them of the system that is purged`);
await fire({ ...aim, seconds: 3 });
const before = await measure('without a purge');
await redis.slowlog('RESET');
await redis.config('RESETSTAT');
// The purge is repeated for as long as events come in, so that all of them come in meanwhile: the first deletes the
// keys, the others walk over all that is left.
const during = measure('with purges');
let isOver = false;
const purges: Awaited<ReturnType<typeof purge>>[] = [];
const purging = (async () => {
  while (!isOver) purges.push(await purge());
})();
const after = await during;
isOver = true;
await purging;
const [{ previewMs, purgeMs, requests, removed }] = purges;
const longest = new Map<string, number>();
const log = (await redis.slowlog('GET', 1_000)) as [number, number, number, string[]][];
for (const [, , usec, [command, sha]] of log) {
  const name = scriptBySha.get(sha)?.name ?? command;
  longest.set(name, Math.max(longest.get(name) ?? 0, usec / 1_000));
}
console.log(
  `preview ${rounded(previewMs)} ms; purge of ${removed} keys ${rounded(purgeMs)} ms in ${requests} requests`,
);
console.log(`then ${purges.length - 1} more purges over all keys`);
const scanUsec = /cmdstat_scan:.*usec_per_call=([\d.]+)/.exec(await redis.info('commandstats'))?.[1];
console.log(`a step of a walk: ${rounded(Number(scanUsec) / 1_000)} ms of Redis on average`);
console.log(`longest, ms of Redis: ${[...longest].map(([name, ms]) => `${name} ${rounded(ms)}`).join(', ')}`);
const passed = after.p99 <= P99_TIMES_MAX * before.p99 && after.failures === 0;
console.log(
  `p99 of ingest ${(after.p99 / before.p99).toFixed(2)} times (goal ${P99_TIMES_MAX}): ${passed ? 'PASS' : 'FAIL'}`,
);

redis.disconnect();
await service.stop();
await server.stop();
process.exit(passed ? 0 : 1);
