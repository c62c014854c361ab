/**
 * How fast events go in, against the ceiling of the same run: for batches of 1, 100 and 1,000, first the bare
 * route, then the service on a Redis of its own, everything on this machine.
 *
 *   npm run bench [-- --seconds 10 --connections 50 --batches 1,100,1000]
 */
import { availableParallelism, cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { fire, type Shot } from './cannon.js';
import { startBare, startService } from './processes.js';
import { makeBodies } from './stream.js';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '10' },
    connections: { type: 'string', default: '50' },
    batches: { type: 'string', default: '1,100,1000' },
  },
});
const seconds = Number(values.seconds);
const connections = Number(values.connections);
/** Shares of the ceiling to be reached, by batch size. */
const goals = new Map([
  [1, 0.65],
  [100, 0.42],
  [1_000, 0.35],
]);
const EVENTS_PER_SECOND_MIN = 100_000;

function bodiesOf(batch: number): string[] {
  const count = batch === 1 ? 4_000 : Math.max(64, Math.min(400, Math.ceil(100_000 / batch)));
  return makeBodies(batch, count, { seed: 20_260_101, start: Date.now(), stepMs: 0.01 });
}

const whole = (value: number) => Math.round(value).toLocaleString('en');
const micros = (value: number) => (value * 1e6).toFixed(2);

async function ceiling(batch: number, bodies: string[]): Promise<Shot> {
  const bare = await startBare();
  const target = {
    base: bare.base,
    path: batch === 1 ? '/api/v1/events' : '/api/v1/events/batch',
    bodies,
    connections,
  };
  await fire({ ...target, seconds: 2 });
  const shot = await fire({ ...target, seconds });
  await bare.stop();
  return shot;
}

async function measure(batch: number): Promise<boolean> {
  const bodies = bodiesOf(batch);
  const bare = await ceiling(batch, bodies);
  const service = await startService();
  const path = batch === 1 ? '/api/v1/events' : '/api/v1/events/batch';
  const target = { base: service.base, path, bodies, connections };
  await fire({ ...target, seconds: 2 });
  const before = await service.counters();
  const shot = await fire({ ...target, seconds });
  const after = await service.counters();
  const digests = await longestDigestList(service.redis);
  await service.stop();

  const events = after.events - before.events;
  const rate = events / shot.seconds;
  const top = bare.requests * batch;
  const goal = goals.get(batch) ?? 0;
  const enough = rate / top >= goal && (batch === 1 || rate >= EVENTS_PER_SECOND_MIN) && shot.failures === 0;
  const cells = [
    whole(batch),
    whole(top),
    whole(rate),
    `${((rate / top) * 100).toFixed(1)}% (goal ${goal * 100}%)`,
    [shot.p50, shot.p95, shot.p99].map((ms) => ms.toFixed(1)).join(' / '),
    micros((after.nodeCpu - before.nodeCpu) / events),
    micros((after.redisCpu - before.redisCpu) / events),
    whole((after.pipelines - before.pipelines) / shot.seconds),
    whole(events / (after.pipelines - before.pipelines)),
    `${whole(after.rss / 1e6)} MB`,
    String(digests),
    String(shot.failures),
    enough ? 'PASS' : 'FAIL',
  ];
  console.log(`| ${cells.join(' | ')} |`);
  return enough;
}

/** The longest digest list there is, in elements. */
async function longestDigestList(redis: import('ioredis').Redis): Promise<number> {
  let longest = 0;
  for await (const keys of redis.scanStream({ match: 'pt:{*}:digest:*', count: 1_000 })) {
    for (const key of keys as string[]) longest = Math.max(longest, await redis.llen(key));
  }
  return longest;
}

console.log(
  `Node ${process.version}, ${availableParallelism()} x ${cpus()[0].model}, ${connections} connections, ${seconds} s\n`,
);
const head = [
  'batch',
  'ceiling events/s',
  'events/s',
  'share',
  'p50 / p95 / p99 ms',
  'Node us/event',
  'Redis us/event',
  'pipelines/s',
  'events/pipeline',
  'RSS',
  'longest digest list',
  'failures',
  '',
];
console.log(`| ${head.join(' | ')} |\n|${head.map(() => '---').join('|')}|`);
let passed = true;
for (const batch of values.batches.split(',').map(Number)) passed = (await measure(batch)) && passed;
process.exit(passed ? 0 : 1);
