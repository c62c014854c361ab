/**
 * What a day of events costs in Redis: a day of the realistic stream goes through the service into a Redis of
 * its own, and every key is asked how much memory it takes.
 *
 * The service's clock stands at the end of that day, so minutes are kept for the last two hours, as they would
 * be, and everything else for the whole day.
 */
import { Redis } from 'ioredis';
import { pino } from 'pino';
import { buildApp } from '../../src/app.js';
import { loadConfig } from '../../src/config.js';
import { parseKey } from '../../src/redis/keys.js';
import { DAY_MS } from '../../src/windows/civil.js';
import { startRedis } from '../../test/support/redis-server.js';
import { formatTable, whole } from '../results/format.js';
import { atMost, figureOf } from '../results/result.js';
import { sumOf } from '../results/statistics.js';
import { scenario } from '../scenario.js';
import { realisticEvents, streamSystems, streamUsers } from '../streams/events.js';

const BATCH = 1_000;
const TELL_EVERY = 100_000;
const start = Date.UTC(2026, 0, 14);
/** What the target is about; less is less than proportionally smaller, so it is judged from here on. */
const TARGET_EVENTS = 10_000_000;
const TARGET_MB = 200;
const DIGEST_LIST_MAX = 256;

/** Sends the day, one batch after the other. */
async function sendDay(socket: string, events: number, tell: (sent: number) => void): Promise<void> {
  const app = await buildApp({
    config: loadConfig({}),
    address: { path: socket },
    log: pino({ level: 'silent' }),
    clock: { now: () => start + DAY_MS - 1 },
  });
  try {
    while ((await app.inject('/readyz')).statusCode !== 200) await new Promise(setImmediate);
    const stream = realisticEvents({ seed: 20_260_114, start, stepMs: DAY_MS / events });
    for (let sent = 0; sent < events; sent += BATCH) {
      if (sent % TELL_EVERY === 0) tell(sent);
      const rows = Array.from({ length: Math.min(BATCH, events - sent) }, () => stream.next().value);
      const answer = await app.inject({ method: 'POST', url: '/api/v1/events/batch', payload: rows });
      if (answer.statusCode !== 201 || answer.json().rejected > 0) throw new Error(answer.payload);
    }
  } finally {
    await app.close();
  }
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

function tableOf(rows: readonly Row[], keys: number, bytes: number): string {
  const head = ['sketch', 'metric', 'grain', 'keys', 'bytes a key', 'bytes a system', 'bytes in all'];
  const lines = rows.map((row) => [
    row.kind,
    row.metric,
    row.grain,
    whole(row.keys),
    whole(row.bytes / row.keys),
    whole(row.bytes / streamSystems),
    whole(row.bytes),
  ]);
  return formatTable(head, [
    ...lines,
    ['all', '', '', whole(keys), '', whole(bytes / streamSystems), whole(bytes)],
  ]);
}

export const memory = scenario({
  name: 'memory',
  about: 'What Redis keeps of one whole day of events, by sketch.',
  short: { events: 1_000_000 },
  full: { events: TARGET_EVENTS },
  async run({ events }, context) {
    const server = context.own(await startRedis());
    await sendDay(server.socket, events, (sent) => context.say(`${whole(sent)} of ${whole(events)} events`));
    context.say('weighing every key');
    const redis = new Redis(server.socket, { protocol: 2 });
    context.own({ stop: () => redis.disconnect() });
    const { rows, longest } = await weigh(redis);
    const info = await redis.info('memory');
    const used = Number(/^used_memory:(\d+)/m.exec(info)?.[1]);
    const bytes = sumOf(rows, (row) => row.bytes);
    const keys = sumOf(rows, (row) => row.keys);
    context.detail(
      `${whole(events)} events in one day, ${whole(streamUsers)} users, ${streamSystems} systems, ` +
        `${whole(events / streamSystems)} events a system`,
    );
    context.detail(tableOf(rows, keys, bytes));
    const what = `memory of Redis after ${whole(events)} events`;
    return [
      events < TARGET_EVENTS ? figureOf(what, used / 1e6, 'MB') : atMost(what, used / 1e6, 'MB', TARGET_MB),
      figureOf('of it keys', bytes / 1e6, 'MB'),
      figureOf('of it keys, an event', bytes / events, 'bytes'),
      figureOf('keys', keys, ''),
      atMost('longest digest list', longest, 'elements', DIGEST_LIST_MAX),
    ];
  },
});
