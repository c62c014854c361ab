/**
 * What a day of events costs in Redis: a day of the realistic stream goes through the service into a Redis of
 * its own, and every key is asked how much memory it takes.
 *
 *   npm run build && node build/load/memory.js [--events 2000000]
 *
 * The service's clock stands at the end of that day, so minutes are kept for the last two hours, as they would
 * be, and everything else for the whole day.
 */
import { parseArgs } from 'node:util';
import { Redis } from 'ioredis';
import { pino } from 'pino';
import { buildApp } from '../src/app.js';
import { loadConfig } from '../src/config.js';
import { parseKey } from '../src/redis/keys.js';
import { startRedis } from '../test/support/redis-server.js';
import { realisticEvents, streamSystems, streamUsers } from './stream.js';

const DAY_MS = 86_400_000;
const BATCH = 1_000;
const start = Date.UTC(2026, 0, 14);

const { values } = parseArgs({ options: { events: { type: 'string', default: '2000000' } } });
const events = Number(values.events);

/** Sends the day, one batch after the other. */
async function sendDay(socket: string): Promise<void> {
  const app = await buildApp({
    config: loadConfig({}),
    address: { path: socket },
    log: pino({ level: 'silent' }),
    clock: { now: () => start + DAY_MS - 1 },
  });
  while ((await app.inject('/readyz')).statusCode !== 200) await new Promise(setImmediate);
  const stream = realisticEvents({ seed: 20_260_114, start, stepMs: DAY_MS / events });
  for (let sent = 0; sent < events; sent += BATCH) {
    const rows = Array.from({ length: Math.min(BATCH, events - sent) }, () => stream.next().value);
    const answer = await app.inject({ method: 'POST', url: '/api/v1/events/batch', payload: rows });
    if (answer.statusCode !== 201 || answer.json().rejected > 0) throw new Error(answer.payload);
  }
  await app.close();
}

interface Row {
  kind: string;
  metric: string;
  grain: string;
  keys: number;
  bytes: number;
}

/** Memory by kind, metric and grain, and the longest digest list. */
async function weigh(redis: Redis) {
  const rows = new Map<string, Row>();
  let longest = 0;
  for await (const page of redis.scanStream({ count: 1_000 })) {
    for (const key of page as string[]) {
      const { sketch } = parseKey(key) ?? {};
      const {
        kind = key.includes('directory') ? 'directory' : 'record',
        metric = '',
        grain = '',
      } = sketch ?? {};
      const id = [kind, metric, grain].join(' ');
      const row = rows.get(id) ?? { kind, metric, grain, keys: 0, bytes: 0 };
      row.keys++;
      row.bytes += Number(await redis.call('MEMORY', 'USAGE', key, 'SAMPLES', '0'));
      rows.set(id, row);
      if (kind === 'digest') longest = Math.max(longest, await redis.llen(key));
    }
  }
  return { rows: [...rows.values()].sort((a, b) => b.bytes - a.bytes), longest };
}

const whole = (value: number) => Math.round(value).toLocaleString('en');

const server = await startRedis();
await sendDay(server.socket);
const redis = new Redis(server.socket, { protocol: 2 });
const { rows, longest } = await weigh(redis);
const info = await redis.info('memory');
const resident = Number(/^used_memory:(\d+)/m.exec(info)?.[1]);
redis.disconnect();
await server.stop();

console.log(
  `${whole(events)} events in one day, ${whole(streamUsers)} users, ${streamSystems} systems, ` +
    `${whole(events / streamSystems)} events a system\n`,
);
const head = ['sketch', 'metric', 'grain', 'keys', 'bytes a key', 'bytes a system', 'bytes in all'];
console.log(`| ${head.join(' | ')} |\n|---|---|---|--:|--:|--:|--:|`);
for (const { kind, metric, grain, keys, bytes } of rows) {
  const cells = [
    kind,
    metric,
    grain,
    whole(keys),
    whole(bytes / keys),
    whole(bytes / streamSystems),
    whole(bytes),
  ];
  console.log(`| ${cells.join(' | ')} |`);
}
const sum = rows.reduce((total, { bytes }) => total + bytes, 0);
const keys = rows.reduce((total, row) => total + row.keys, 0);
console.log(`| all | | | ${whole(keys)} | | ${whole(sum / streamSystems)} | ${whole(sum)} |`);
console.log(
  `\n${(sum / events).toFixed(2)} bytes an event; Redis as a whole uses ${whole(resident)} bytes. ` +
    `Longest digest list: ${longest} elements.`,
);
