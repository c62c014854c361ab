/**
 * What rollups cost: a day of one system whose top lists are full in every hour, and a day of many small systems.
 *
 *   npm run build && node build/load/rollups.js [--systems 10000]
 *
 * Prints how long a fold takes and holds up the process, how long reading the day blocks Redis before and after, and
 * how long a sweep over the records of all systems takes when there is nothing to do.
 */
import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { Redis } from 'ioredis';
import { readTopDays } from '../src/redis/day-lists.js';
import { readPipeline } from '../src/redis/pipeline.js';
import { HOUR_MS } from '../src/windows/civil.js';
import { seededRandom } from '../test/support/random.js';
import { startRedis } from '../test/support/redis-server.js';
import { createRollupProcess, createTravel, day } from '../test/support/rollups.js';
import { createWritePath, type Row } from '../test/support/write-path.js';

const TIMEOUT_MS = 60_000;
const READS = 20;
const USERS = 3_000;
const { values } = parseArgs({ options: { systems: { type: 'string', default: '10000' } } });
const systems = Number(values.systems);

const server = await startRedis(['--slowlog-log-slower-than', '0']);
const redis = new Redis(server.url, { protocol: 2 });
const travel = createTravel(redis);
const { clock } = travel;
const writer = await createWritePath({ socket: server.socket, clock });
const rollups = await createRollupProcess({ socket: server.socket, holderId: 'one', clock });
const random = seededRandom(1);

function rowsOf(system: string, hour: number, count: number): Row[] {
  const timestamp = new Date(day.start + (hour + 0.5) * HOUR_MS).toISOString();
  return Array.from({ length: count }, () => {
    const user = Math.floor(USERS * random());
    const metadata = { ip: `10.0.${user % 9}.${user % 251}`, endpoint: `/v1/${user}`, latency_ms: user };
    return { system, user_id: `user-${user}`, timestamp, metadata };
  });
}

/** Milliseconds that one reading of the day's users blocks Redis, on average. */
async function readingMs(): Promise<number> {
  await redis.config('RESETSTAT');
  const { calls } = readTopDays('full', 'active_users', [day]);
  for (let i = 0; i < READS; i++) await readPipeline(redis, calls, TIMEOUT_MS);
  const usec = /cmdstat_evalsha:.*usec_per_call=([\d.]+)/.exec(await redis.info('commandstats'))?.[1];
  return Number(usec) / 1_000;
}

/** Milliseconds of a round, and the longest the process was held up meanwhile. */
async function roundMs(): Promise<{ total: number; longest: number }> {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const start = performance.now();
  await rollups.round();
  delay.disable();
  return { total: performance.now() - start, longest: delay.max / 1e6 };
}

const rounded = (ms: number) => ms.toFixed(ms < 10 ? 2 : 0);

for (let hour = 0; hour < 24; hour++) await writer.store(rowsOf('full', hour, 6_000));
await travel.to(day.end + HOUR_MS);
console.log(`reading a day of full lists from its hours: ${rounded(await readingMs())} ms of Redis`);
await redis.config('RESETSTAT');
const full = await roundMs();
const longest = Math.max(...((await redis.slowlog('GET', 10_000)) as number[][]).map(([, , usec]) => usec));
console.log(`folding it: ${rounded(full.total)} ms, of it ${rounded(full.longest)} ms in one go`);
console.log(`longest command so far: ${rounded(longest / 1_000)} ms of Redis`);
const keys = (await redis.keys('pt:{full}:*')).filter((key) => /:(?:top|over|digest):/.test(key));
const bytesOf = async (grain: string) => {
  const sizes = keys
    .filter((key) => key.includes(`:${grain}:`))
    .map((key) => redis.memory('USAGE', key, 'SAMPLES', 0) as Promise<number>);
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
};
console.log(`bytes of its lists: ${await bytesOf('hour')} by the hour, ${await bytesOf('day')} by the day`);
console.log(`reading it folded: ${rounded(await readingMs())} ms of Redis`);

for (let i = 0; i < systems; i += 500) {
  const names = Array.from({ length: Math.min(500, systems - i) }, (_, place) => `small-${i + place}`);
  await writer.store(names.flatMap((name) => [9, 10, 11].flatMap((hour) => rowsOf(name, hour, 2))));
}
let rounds = 0;
let totalMs = 0;
for (let rolled = 0; rolled < systems + 1; rounds++) {
  totalMs += (await roundMs()).total;
  ({ rolled } = (await rollups.outcomes()) as { rolled: number });
}
console.log(
  `folding a day of ${systems} small systems: ${rounds} rounds, ${rounded(totalMs / systems)} ms each`,
);
totalMs = 0;
for (let i = 0; i < Math.ceil((systems + 1) / 1_000); i++) totalMs += (await roundMs()).total;
console.log(`a sweep with nothing to do: ${rounded(totalMs)} ms`);

rollups.close();
await writer.close();
redis.disconnect();
await server.stop();
