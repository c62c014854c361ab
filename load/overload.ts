/**
 * What happens when five times as much comes as can be served: how long those wait who are taken in, how soon the
 * others are refused, whether health stays green, and what memory does. The sustainable rate is measured first, then
 * the latency without load, at a tenth of that rate.
 *
 *   npm run build && node build/load/overload.js [--batch 100] [--seconds 10] [--connections 500] [--times 5]
 */
import { parseArgs } from 'node:util';
import { fire, ranksOf } from './cannon.js';
import { type Service, startService } from './processes.js';
import { makeBodies } from './stream.js';

const { values } = parseArgs({
  options: {
    batch: { type: 'string', default: '100' },
    seconds: { type: 'string', default: '10' },
    connections: { type: 'string', default: '500' },
    times: { type: 'string', default: '5' },
  },
});
const batch = Number(values.batch);
const seconds = Number(values.seconds);
const connections = Number(values.connections);
const times = Number(values.times);

const SUSTAINED_CONNECTIONS = 50;
const HEALTH_EVERY_MS = 200;
const LATENCY_TIMES_MAX = 3;
const REFUSED_MS_MAX = 50;
const RSS_BYTES_MAX = 1024 ** 3;

/** Asks both health paths until told to stop. */
function watchHealth({ base }: Service) {
  const took: number[] = [];
  let bad = 0;
  let isOver = false;
  async function ask(path: string): Promise<void> {
    const began = performance.now();
    const answer = await fetch(base + path).catch(() => undefined);
    took.push(performance.now() - began);
    if (answer?.status !== 200) bad++;
    await answer?.arrayBuffer();
  }
  const watching = (async () => {
    while (!isOver) {
      await Promise.all([ask('/livez'), ask('/readyz')]);
      await new Promise((resolve) => setTimeout(resolve, HEALTH_EVERY_MS));
    }
  })();
  return async () => {
    isOver = true;
    await watching;
    return { bad, asked: took.length, p99: ranksOf(took).p99 };
  };
}

const whole = (value: number) => Math.round(value).toLocaleString('en');
const ms = (value: number) => `${value.toFixed(1)} ms`;

const bodies = makeBodies(batch, 400, { seed: 20_260_101, start: Date.now(), stepMs: 0.01 });
const service = await startService({ LOG_LEVEL: 'error' });
const target = { base: service.base, path: '/api/v1/events/batch', bodies };
const closed = { ...target, connections: SUSTAINED_CONNECTIONS };
await fire({ ...closed, seconds: 2 });
const sustained = await fire({ ...closed, seconds });
const unloaded = await fire({ ...closed, seconds, rate: Math.max(10, sustained.requests / 10) });

const storm = { ...target, connections, rate: sustained.requests * times };
await fire({ ...storm, seconds: 2 });
const endHealth = watchHealth(service);
const shot = await fire({ ...storm, seconds });
const health = await endHealth();
const { rss } = await service.counters();
await service.stop();

const offered = shot.requests + shot.refused.count / shot.seconds;
const other = shot.failures - shot.refused.count;
const checks: [what: string, goal: string, figure: string, isMet: boolean][] = [
  ['sustainable, requests/s', '', whole(sustained.requests), sustained.refused.count === 0],
  ['p99 at a tenth of it', '', ms(unloaded.p99), unloaded.refused.count === 0],
  ['offered, requests/s', '', `${whole(offered)} (${(offered / sustained.requests).toFixed(1)} times)`, true],
  ['accepted, requests/s', '', whole(shot.requests), shot.requests > 0],
  [
    'p50 / p99 of accepted',
    `p99 at most ${LATENCY_TIMES_MAX} times ${ms(unloaded.p99)}`,
    `${ms(shot.p50)} / ${ms(shot.p99)} (${(shot.p99 / unloaded.p99).toFixed(1)} times)`,
    shot.p99 <= LATENCY_TIMES_MAX * unloaded.p99,
  ],
  [
    'p50 / p99 of refused',
    `p99 at most ${REFUSED_MS_MAX} ms`,
    `${ms(shot.refused.p50)} / ${ms(shot.refused.p99)}`,
    shot.refused.p99 <= REFUSED_MS_MAX,
  ],
  ['other failures', '0', whole(other), other === 0],
  [
    'health: not 200, of all; p99',
    '0',
    `${health.bad} of ${health.asked}; ${ms(health.p99)}`,
    health.bad === 0,
  ],
  ['memory', `at most ${whole(RSS_BYTES_MAX / 1e6)} MB`, `${whole(rss / 1e6)} MB`, rss <= RSS_BYTES_MAX],
];
console.log(`Bodies of ${batch}, ${connections} connections, ${seconds} s\n`);
console.log('| what | goal | figure | |\n|---|---|---|---|');
for (const [what, goal, figure, isMet] of checks) {
  console.log(`| ${what} | ${goal} | ${figure} | ${isMet ? 'PASS' : 'FAIL'} |`);
}
process.exit(checks.every(([, , , isMet]) => isMet) ? 0 : 1);
