/**
 * What it costs to spread a system over shards: the realistic stream, all of it of one system, is written to one Redis as
 * 1, 4 and 16 shards, and then asked about. On one Redis nothing is gained: what is measured is the price, in total; on a
 * cluster that is shared by the masters.
 */
import { Redis } from 'ioredis';
import { createPlacement } from '../../src/events/placement.js';
import type { ReadEvent } from '../../src/events/read-event.js';
import { startApp } from '../../test/support/app.js';
import { startRedis } from '../../test/support/redis-server.js';
import { createWritePath, readRow, retention } from '../../test/support/write-path.js';
import { figureOf, type Result } from '../results/result.js';
import { numbersOf, scenario } from '../scenario.js';
import { realisticEvents } from '../streams/events.js';

const REQUEST_EVENTS = 1_000;
const REQUESTS_AT_ONCE = 8;
const ASKED = 20;
const start = Date.UTC(2026, 0, 14);
const now = start + 86_400_000 - 1;
const clock = { now: () => now };

/** Requests of events, read already: only what follows is measured. */
function makeRequests(count: number): ReadEvent[][] {
  const stream = realisticEvents({ seed: 5, start, stepMs: 86_400_000 / count });
  return Array.from({ length: count / REQUEST_EVENTS }, () =>
    Array.from({ length: REQUEST_EVENTS }, () => readRow({ ...stream.next().value, system: 'hot' }, now)),
  );
}

const infoFigure = (info: string, name: string) => Number(new RegExp(`${name}:([\\d.]+)`).exec(info)?.[1]);

/** Microseconds. */
async function redisCpu(redis: Redis): Promise<number> {
  const info = await redis.info('cpu');
  return 1e6 * (infoFigure(info, 'used_cpu_user') + infoFigure(info, 'used_cpu_sys'));
}

async function write(socket: string, redis: Redis, shards: number, count: number): Promise<Result[]> {
  const path = await createWritePath({ socket, clock });
  const placement = createPlacement(new Map(shards > 1 ? [['hot', shards]] : []));
  const requests = makeRequests(count);
  const [cpu, own] = [await redisCpu(redis), process.cpuUsage()];
  for (let i = 0; i < requests.length; i += REQUESTS_AT_ONCE) {
    const places = requests.slice(i, i + REQUESTS_AT_ONCE).map((events) => {
      const place = path.writer.join(REQUEST_EVENTS * 100);
      for (const event of events) place.take(event, now - retention.minute, placement?.shardOf(event));
      return place.stored;
    });
    await Promise.all(places);
  }
  const { user, system } = process.cpuUsage(own);
  const spent = (await redisCpu(redis)) - cpu;
  await path.close();
  const memory = infoFigure(await redis.info('memory'), 'used_memory_dataset');
  return [
    figureOf(`${shards} shards: Redis an event`, spent / count, 'us'),
    figureOf(`${shards} shards: process an event`, (user + system) / count, 'us'),
    figureOf(`${shards} shards: memory`, memory / 1e6, 'MB'),
  ];
}

const at = `timestamp=${new Date(now).toISOString()}`;
const questions = {
  'distinct users of a day': `distinct/users?system=hot&window=1d&${at}`,
  'top users of a day, by the hour': `top/active_users?system=hot&window=1d&${at}&k=100`,
  'percentiles of a day, by the hour': `percentiles/latency_ms?system=hot&window=1d&${at}`,
  summary: `summary/hot?${at}`,
};

async function ask(base: string, redis: Redis, shards: number): Promise<Result[]> {
  const results: Result[] = [];
  for (const [name, path] of Object.entries(questions)) {
    const cpu = await redisCpu(redis);
    for (let i = 0; i < ASKED; i++) await (await fetch(`${base}/api/v1/compliance/${path}`)).arrayBuffer();
    const spent = (await redisCpu(redis)) - cpu;
    results.push(figureOf(`${shards} shards: ${name}, of Redis`, spent / 1_000 / ASKED, 'ms'));
  }
  return results;
}

export const shards = scenario({
  name: 'shards',
  about: 'What it costs to spread one system over shards.',
  short: { events: 100_000, shards: '1,4,16' },
  full: { events: 300_000 },
  async run({ events, shards: numbers }, context) {
    const results: Result[] = [];
    for (const shards of numbersOf(numbers)) {
      context.say(`${shards} shards`);
      const server = context.own(await startRedis());
      const redis = new Redis(server.url, { protocol: 2 });
      context.own({ stop: () => redis.disconnect() });
      results.push(...(await write(server.socket, redis, shards, events)));
      const config: Record<string, string> = shards > 1 ? { SYSTEM_SHARDS: `hot=${shards}` } : {};
      const { base, stop } = context.own(await startApp({ redis: server, clock, config }));
      results.push(...(await ask(base, redis, shards)));
      await stop();
      await server.stop();
    }
    return results;
  },
});
