/**
 * What rollups cost: a day of one system whose top lists are full in every hour, and a day of many small systems. How
 * long a fold takes and holds up the process, how long reading the day blocks Redis before and after, and how long a sweep
 * over the records of all systems takes when there is nothing to do.
 */
import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { Redis } from 'ioredis';
import { readTopDays } from '../../src/redis/day-lists.js';
import { readPipeline } from '../../src/redis/pipeline.js';
import { HOUR_MS } from '../../src/windows/civil.js';
import { seededRandom } from '../../test/support/random.js';
import { startRedis } from '../../test/support/redis-server.js';
import { createRollupProcess, createTravel, day, type RollupProcess } from '../../test/support/rollups.js';
import { createWritePath, type Row, type WritePath } from '../../test/support/write-path.js';
import { figureOf, type Result } from '../results/result.js';
import { largestOf } from '../results/statistics.js';
import { scenario } from '../scenario.js';

const TIMEOUT_MS = 60_000;
const READS = 20;
const USERS = 3_000;
const ROWS_AN_HOUR = 6_000;
const SYSTEMS_AT_ONCE = 500;
/** Records that one round looks at. */
const RECORDS_A_ROUND = 1_000;

function rowsOf(system: string, hour: number, count: number, random: () => number): Row[] {
  const timestamp = new Date(day.start + (hour + 0.5) * HOUR_MS).toISOString();
  return Array.from({ length: count }, () => {
    const user = Math.floor(USERS * random());
    const metadata = { ip: `10.0.${user % 9}.${user % 251}`, endpoint: `/v1/${user}`, latency_ms: user };
    return { system, user_id: `user-${user}`, timestamp, metadata };
  });
}

/** Milliseconds that one reading of the day's users blocks Redis, on average. */
async function readingMs(redis: Redis): Promise<number> {
  await redis.config('RESETSTAT');
  const { calls } = readTopDays('full', 'active_users', [day]);
  for (let i = 0; i < READS; i++) await readPipeline(redis, calls, TIMEOUT_MS);
  const usec = /cmdstat_evalsha:.*usec_per_call=([\d.]+)/.exec(await redis.info('commandstats'))?.[1];
  return Number(usec) / 1_000;
}

/** Milliseconds of a round, and the longest the process was held up meanwhile. */
async function roundMs(rollups: RollupProcess): Promise<{ total: number; longest: number }> {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const start = performance.now();
  await rollups.round();
  delay.disable();
  return { total: performance.now() - start, longest: delay.max / 1e6 };
}

/** Bytes of the lists of the full system, of a grain. */
async function listBytes(redis: Redis, grain: string): Promise<number> {
  const keys = (await redis.keys('pt:{full}:*')).filter((key) => /:(?:top|over|digest):/.test(key));
  const sizes = keys
    .filter((key) => key.includes(`:${grain}:`))
    .map((key) => redis.memory('USAGE', key, 'SAMPLES', 0) as Promise<number>);
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}

/** The day of a system with full lists, folded. */
async function foldFull(redis: Redis, rollups: RollupProcess): Promise<Result[]> {
  const before = await readingMs(redis);
  await redis.config('RESETSTAT');
  const full = await roundMs(rollups);
  const log = (await redis.slowlog('GET', 10_000)) as number[][];
  return [
    figureOf('reading a day of full lists from its hours, of Redis', before, 'ms'),
    figureOf('folding it', full.total, 'ms'),
    figureOf('of it in one go', full.longest, 'ms'),
    figureOf('longest command so far, of Redis', largestOf(log.map(([, , usec]) => usec)) / 1_000, 'ms'),
    figureOf('its lists by the hour', (await listBytes(redis, 'hour')) / 1e6, 'MB'),
    figureOf('its lists by the day', (await listBytes(redis, 'day')) / 1e6, 'MB'),
    figureOf('reading it folded, of Redis', await readingMs(redis), 'ms'),
  ];
}

/** Days of small systems, and a sweep when all are folded. */
async function foldSmall(rollups: RollupProcess, systems: number): Promise<Result[]> {
  let rounds = 0;
  let totalMs = 0;
  for (let rolled = 0; rolled < systems + 1; rounds++) {
    totalMs += (await roundMs(rollups)).total;
    ({ rolled } = (await rollups.outcomes()) as { rolled: number });
  }
  let sweepMs = 0;
  for (let i = 0; i < Math.ceil((systems + 1) / RECORDS_A_ROUND); i++)
    sweepMs += (await roundMs(rollups)).total;
  return [
    figureOf('small systems', systems, ''),
    figureOf('rounds to fold a day of all', rounds, ''),
    figureOf('folding a day of one', totalMs / systems, 'ms'),
    figureOf('a sweep with nothing to do', sweepMs, 'ms'),
  ];
}

async function storeSmall(writer: WritePath, systems: number, random: () => number): Promise<void> {
  for (let i = 0; i < systems; i += SYSTEMS_AT_ONCE) {
    const names = Array.from(
      { length: Math.min(SYSTEMS_AT_ONCE, systems - i) },
      (_, at) => `small-${i + at}`,
    );
    await writer.store(names.flatMap((name) => [9, 10, 11].flatMap((hour) => rowsOf(name, hour, 2, random))));
  }
}

export const rollups = scenario({
  name: 'rollups',
  about: 'What it costs to fold a day: of one system with full lists, and of many small systems.',
  short: { systems: 1_000 },
  full: { systems: 10_000 },
  async run({ systems }, context) {
    const server = context.own(await startRedis(['--slowlog-log-slower-than', '0']));
    const redis = new Redis(server.url, { protocol: 2 });
    context.own({ stop: () => redis.disconnect() });
    const travel = createTravel(redis);
    const shared = { socket: server.socket, clock: travel.clock };
    const writer = await createWritePath(shared);
    context.own({ stop: () => writer.close() });
    const folding = await createRollupProcess({ ...shared, holderId: 'one' });
    context.own({ stop: () => folding.close() });
    const random = seededRandom(1);
    context.say('a day of one system with full lists');
    for (let hour = 0; hour < 24; hour++) await writer.store(rowsOf('full', hour, ROWS_AN_HOUR, random));
    await travel.to(day.end + HOUR_MS);
    const full = await foldFull(redis, folding);
    context.say(`a day of ${systems} small systems`);
    await storeSmall(writer, systems, random);
    return [...full, ...(await foldSmall(folding, systems))];
  },
});
