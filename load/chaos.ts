/**
 * Chaos: senders with idempotency keys go on while everything between the service and its data fails, one fault
 * after the other, and at the end every event that was acknowledged is counted, once.
 *
 *   npm run build && node build/load/chaos.js [--faults 50 --senders 20 --events 200 --seed 1]
 *
 * Redis writes its append-only file at every command and has a replica that each acknowledgement waits for. Ends with 1
 * where an event is lost or counted twice, a request hangs, or the service is not ready again in time.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { seededRandom } from '../test/support/random.js';
import { startFaultyProxy } from './chaos/faulty-proxy.js';
import { startRedisPair } from './chaos/redis-pair.js';
import { startSenders } from './chaos/senders.js';
import { freePort, startServiceAt } from './processes.js';

const { values } = parseArgs({
  options: {
    faults: { type: 'string', default: '50' },
    senders: { type: 'string', default: '20' },
    events: { type: 'string', default: '200' },
    seed: { type: 'string', default: '1' },
  },
});
const faults = Number(values.faults);
const random = seededRandom(Number(values.seed));
const SYSTEMS = 20;
/** A sender whose service was killed waits for the end of a lease of 10 s. */
const READY_MS_MAX = 15_000;
const CALM_MS = 1_000;

const redis = await startRedisPair([await freePort(), await freePort()]);
const proxy = await startFaultyProxy(redis.port);
const port = await freePort();
const startService = () =>
  startServiceAt(port, {
    REDIS_URL: `redis://127.0.0.1:${proxy.port}`,
    INGEST_WAIT_REPLICAS: '1',
    LOG_LEVEL: 'fatal',
  });
let service = await startService();
const { base } = service;

const weather = async (kind: Parameters<typeof proxy.set>[0], ms: number) => {
  proxy.set(kind);
  await pause(ms);
  proxy.set({ kind: 'fair' });
};
const kinds: Record<string, () => Promise<unknown>> = {
  'latency of 50 ms each way': () => weather({ kind: 'delay', ms: 50 }, 1_500),
  'latency of 600 ms each way': () => weather({ kind: 'delay', ms: 600 }, 3_000),
  'packets vanish': () => weather({ kind: 'black hole' }, 1_500),
  'connections cut': async () => proxy.cut(),
  'connections half-closed': async () => proxy.halfClose(),
  'CLIENT PAUSE': () => redis.ask((node) => node.call('CLIENT', 'PAUSE', '1500', 'ALL')),
  'DEBUG SLEEP': () => redis.ask((node) => node.call('DEBUG', 'SLEEP', '1.5')),
  'SCRIPT FLUSH': () => redis.ask((node) => node.script('FLUSH')),
  'kill -9 of Redis': () => redis.restart(),
  failover: () => redis.failOver(proxy.leadTo),
  'kill -9 of the service': async () => {
    await service.kill();
    service = await startService();
  },
};
const names = Object.keys(kinds);

/** Milliseconds until the next batch is acknowledged. */
async function untilAcknowledged(): Promise<number> {
  const before = sent.batches;
  const from = performance.now();
  while (performance.now() - from < READY_MS_MAX) {
    if (sent.batches > before) return performance.now() - from;
    await pause(5);
  }
  return Number.POSITIVE_INFINITY;
}
const residentMb = () =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${service.pid}/status`, 'utf8'))?.[1]) / 1_024;

const { sent, end } = startSenders({
  base: () => base,
  count: Number(values.senders),
  eventsPerBatch: Number(values.events),
  systems: SYSTEMS,
  random,
});
const began = performance.now();
const done = new Map<string, number>();
let slowestReady = 0;
let largestMb = 0;
await pause(CALM_MS);
for (let i = 0; i < faults; i++) {
  // Each kind in turn, and then at random.
  const name = i < names.length ? names[i] : names[Math.floor(random() * names.length)];
  await kinds[name]();
  const ready = await untilAcknowledged();
  slowestReady = Math.max(slowestReady, ready);
  await pause(CALM_MS);
  largestMb = Math.max(largestMb, residentMb());
  done.set(name, (done.get(name) ?? 0) + 1);
  process.stderr.write(
    `${i + 1}/${faults} ${name}: acknowledging after ${ready.toFixed(0)} ms, ${sent.acknowledged} acknowledged\n`,
  );
}
await end();
const seconds = (performance.now() - began) / 1_000;

/** What the exact counters hold, and the samples of all digests. */
async function counted(): Promise<{ events: number; samples: number }> {
  const from = new Date(Date.now() - 3 * 86_400_000).toISOString();
  const ask = async (path: string) => (await fetch(`${base}/api/v1/compliance/${path}`)).json();
  let events = 0;
  let samples = 0;
  for (let i = 0; i < SYSTEMS; i++) {
    const about = `system=chaos-${i}&from=${from}`;
    const series = (await ask(`timeseries/events?${about}&step=1d`)) as { points: { count: number }[] };
    for (const { count } of series.points) events += count;
    samples += ((await ask(`stats/latency_ms?${about}`)) as { count: number }).count;
  }
  return { events, samples };
}
const { events, samples } = await counted();
await service.stop();
await proxy.stop();
await redis.stop();

const lost = sent.acknowledged - events;
console.log(
  `${faults} faults in ${seconds.toFixed(0)} s: ${[...done].map(([name, n]) => `${n} ${name}`).join(', ')}\n`,
);
const rows: [string, string | number, boolean][] = [
  ['events acknowledged', sent.acknowledged, sent.acknowledged > 0],
  ['events counted', events, lost === 0],
  ['lost (or, negative, counted twice)', lost, lost === 0],
  ['samples in digests', samples, samples === sent.acknowledged],
  ['requests that hung', sent.hangs, sent.hangs === 0],
  ['slowest request, ms', sent.slowestMs.toFixed(0), true],
  ['slowest to acknowledge again, ms', slowestReady.toFixed(0), slowestReady < READY_MS_MAX],
  ['largest service, MB', largestMb.toFixed(0), largestMb < 1_024],
];
console.log('| what | figure | |\n|---|---|---|');
for (const [what, figure, isGood] of rows)
  console.log(`| ${what} | ${figure} | ${isGood ? 'PASS' : 'FAIL'} |`);
console.log('\n| tries that ended with | times |\n|---|---|');
for (const [outcome, times] of sent.tries) console.log(`| ${outcome} | ${times} |`);
process.exit(rows.every(([, , isGood]) => isGood) ? 0 : 1);
