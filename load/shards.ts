/**
 * What it costs to spread a system over shards: the realistic stream, all of it of one system, is written to one Redis as
 * 1, 4 and 16 shards, chosen by the user or by turns, and then asked about. On one Redis nothing is gained: what is
 * measured is the price, in total; on a cluster that is shared by the masters.
 *
 *   npm run build && node build/load/shards.js [--events 300000]
 */
import { performance } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { Redis } from 'ioredis';
import { foldEvent } from '../src/events/delta.js';
import { createPlacement } from '../src/events/placement.js';
import type { ReadEvent } from '../src/events/read-event.js';
import { startApp } from '../test/support/app.js';
import { startRedis } from '../test/support/redis-server.js';
import { createWritePath, readRow, retention } from '../test/support/write-path.js';
import { realisticEvents } from './stream.js';

const REQUEST_EVENTS = 1_000;
const REQUESTS_AT_ONCE = 8;
const ASKED = 20;
const start = Date.UTC(2026, 0, 14);
const now = start + 86_400_000 - 1;
const clock = { now: () => now };
const { values } = parseArgs({ options: { events: { type: 'string', default: '300000' } } });
const count = Number(values.events);

/** Requests of events, read already: only what follows is measured. */
function makeRequests(): ReadEvent[][] {
  const stream = realisticEvents({ seed: 5, start, stepMs: 86_400_000 / count });
  return Array.from({ length: count / REQUEST_EVENTS }, () =>
    Array.from({ length: REQUEST_EVENTS }, () => readRow({ ...stream.next().value, system: 'hot' }, now)),
  );
}

const figure = (info: string, name: string) => Number(new RegExp(`${name}:([\\d.]+)`).exec(info)?.[1]);
const redisCpu = async (redis: Redis) => {
  const info = await redis.info('cpu');
  return 1e6 * (figure(info, 'used_cpu_user') + figure(info, 'used_cpu_sys'));
};
const nobody = { user: undefined, session: undefined, ip: undefined };

async function write(socket: string, redis: Redis, shards: number, byUser: boolean): Promise<void> {
  const path = await createWritePath({ socket, clock });
  const placement = shards > 1 ? createPlacement(new Map([['hot', shards]])) : undefined;
  const requests = makeRequests();
  const [cpu, own] = [await redisCpu(redis), process.cpuUsage()];
  for (let i = 0; i < requests.length; i += REQUESTS_AT_ONCE) {
    const places = requests.slice(i, i + REQUESTS_AT_ONCE).map((events) => {
      const place = path.writer.join(REQUEST_EVENTS * 100);
      for (const event of events) {
        const name = placement?.shardOf(byUser ? event : { ...event, ...nobody });
        foldEvent(place.delta, event, place.request, now - retention.minute, name);
      }
      return place.stored;
    });
    await Promise.all(places);
  }
  const { user, system } = process.cpuUsage(own);
  const memory = figure(await redis.info('memory'), 'used_memory_dataset');
  console.log(
    `  ${((user + system) / count).toFixed(2)} us of the process and ` +
      `${(((await redisCpu(redis)) - cpu) / count).toFixed(2)} us of Redis an event, ` +
      `${(memory / 1024 ** 2).toFixed(1)} MiB, ${await redis.dbsize()} keys`,
  );
  await path.close();
}

const day = `system=hot&window=1d&timestamp=${new Date(now).toISOString()}`;
const questions = {
  'distinct users of a day': `distinct/users?${day}`,
  'a membership': `activity/check?${day}&user_id=nobody`,
  'top users of a day (by the hour)': `top/active_users?${day}&k=100`,
  'percentiles of a day (by the hour)': `percentiles/latency_ms?${day}`,
  summary: `summary/hot?timestamp=${new Date(now).toISOString()}`,
};

async function ask(base: string, redis: Redis): Promise<void> {
  for (const [name, path] of Object.entries(questions)) {
    const url = `${base}/api/v1/compliance/${path}`;
    const first = (await (await fetch(url)).json()) as { floor?: number };
    const cpu = await redisCpu(redis);
    const begun = performance.now();
    for (let i = 0; i < ASKED; i++) await (await fetch(url)).arrayBuffer();
    const ms = (performance.now() - begun) / ASKED;
    const redisMs = ((await redisCpu(redis)) - cpu) / 1_000 / ASKED;
    const floor = first.floor === undefined ? '' : `, floor ${first.floor}`;
    console.log(`  ${name}: ${ms.toFixed(2)} ms, of Redis ${redisMs.toFixed(2)} ms${floor}`);
  }
}

for (const [shards, byUser] of [
  [1, true],
  [4, true],
  [4, false],
  [16, true],
  [16, false],
] as const) {
  console.log(shards === 1 ? 'not spread' : `${shards} shards, by ${byUser ? 'user' : 'turns'}`);
  const server = await startRedis();
  const redis = new Redis(server.url, { protocol: 2 });
  await write(server.socket, redis, shards, byUser);
  const config = shards > 1 ? { SYSTEM_SHARDS: `hot=${shards}` } : {};
  const { base, stop } = await startApp({ redis: server, clock, config });
  await ask(base, redis);
  await stop();
  redis.disconnect();
  await server.stop();
}
