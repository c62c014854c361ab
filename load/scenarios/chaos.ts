/**
 * Senders with idempotency keys go on while everything between the service and its data fails, one fault after the
 * other, and at the end every event that was acknowledged is counted, once. Redis writes its append-only file at every
 * command and has a replica that each acknowledgement waits for.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { seededRandom } from '../../test/support/random.js';
import { freePort } from '../../test/support/replication.js';
import { counted } from '../chaos/counted.js';
import { type FaultyProxy, startFaultyProxy, type Weather } from '../chaos/faulty-proxy.js';
import { type RedisPair, startRedisPair } from '../chaos/redis-pair.js';
import { type Sent, startSenders } from '../chaos/senders.js';
import { formatTable, whole } from '../results/format.js';
import { atLeast, atMost, figureOf } from '../results/result.js';
import { type Context, scenario } from '../scenario.js';
import { startServiceAt } from '../targets/service.js';
import { readUsages } from '../targets/usage.js';

const SYSTEMS = 20;
/** A sender whose service was killed waits for the end of a lease of 10 s. */
const READY_MS_MAX = 15_000;
const CALM_MS = 1_000;
const MEMORY_MB_MAX = 1_024;

/** The service behind the proxy, which can be killed and comes back on the same port. */
async function startKillable(proxy: FaultyProxy) {
  const port = await freePort();
  const start = () =>
    startServiceAt(port, {
      REDIS_URL: `redis://127.0.0.1:${proxy.port}`,
      INGEST_WAIT_REPLICAS: '1',
      LOG_LEVEL: 'fatal',
    });
  let service = await start();
  return {
    base: service.base,
    pid: () => service.pid,
    async killAndStart(): Promise<void> {
      await service.kill();
      service = await start();
    },
    stop: () => service.stop(),
  };
}

type Killable = Awaited<ReturnType<typeof startKillable>>;

/** What can go wrong, by what it is called. */
function faultKinds(
  redis: RedisPair,
  proxy: FaultyProxy,
  service: Killable,
): Record<string, () => Promise<unknown>> {
  const weather = async (kind: Weather, ms: number) => {
    proxy.set(kind);
    await pause(ms);
    proxy.set({ kind: 'fair' });
  };
  return {
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
    'kill -9 of the service': () => service.killAndStart(),
  };
}

/** Milliseconds until the next batch is acknowledged. */
async function untilAcknowledged(sent: Sent): Promise<number> {
  const before = sent.batches;
  const from = performance.now();
  while (performance.now() - from < READY_MS_MAX) {
    if (sent.batches > before) return performance.now() - from;
    await pause(5);
  }
  return Number.POSITIVE_INFINITY;
}

interface Faults {
  kinds: Record<string, () => Promise<unknown>>;
  count: number;
  random: () => number;
  sent: Sent;
  context: Context;
}

/** Each kind in turn, and then at random. @returns by kind how often, and how long at most until all was well */
async function letFail({ kinds, count, random, sent, context }: Faults) {
  const names = Object.keys(kinds);
  const done = new Map<string, { times: number; slowestMs: number }>();
  for (let i = 0; i < count; i++) {
    const name = i < names.length ? names[i] : names[Math.floor(random() * names.length)];
    context.say(`fault ${i + 1} of ${count}: ${name}`);
    await kinds[name]();
    const ready = await untilAcknowledged(sent);
    const { times, slowestMs } = done.get(name) ?? { times: 0, slowestMs: 0 };
    done.set(name, { times: times + 1, slowestMs: Math.max(slowestMs, ready) });
    await pause(CALM_MS);
  }
  return done;
}

export const chaos = scenario({
  name: 'chaos',
  about:
    'Everything between the service and its data fails in turn: nothing acknowledged is lost or counted twice.',
  short: { faults: 11, senders: 20, events: 200, seed: 1 },
  full: { faults: 50 },
  async run({ faults, senders, events: eventsPerBatch, seed }, context) {
    const random = seededRandom(seed);
    const redis = context.own(await startRedisPair([await freePort(), await freePort()]));
    const proxy = context.own(await startFaultyProxy(redis.port));
    const service = context.own(await startKillable(proxy));
    const watched = () => ({ service: service.pid(), redis: redis.pid, sender: process.pid });
    const timeline = context.watch('faults', watched);
    const { sent, end } = startSenders({
      base: () => service.base,
      count: senders,
      eventsPerBatch,
      systems: SYSTEMS,
      random,
      note: (ms) => timeline.note(ms, eventsPerBatch),
    });
    await pause(CALM_MS);
    const kinds = faultKinds(redis, proxy, service);
    const done = await letFail({ kinds, count: faults, random, sent, context });
    await end();
    timeline.stop();
    const memory = readUsages(watched()).service?.memoryBytes ?? Number.NaN;
    const { events, samples } = await counted(service.base, SYSTEMS);
    const ways = [...done].map(([name, { times, slowestMs }]) => [
      name,
      whole(times),
      `${whole(slowestMs)} ms`,
    ]);
    context.detail(formatTable(['fault', 'times', 'next acknowledgement at most after'], ways));
    const tries = [...sent.tries].map(([outcome, times]) => [outcome, whole(times)]);
    context.detail(formatTable(['tries that ended with', 'times'], tries));
    const peak = Math.max(memory / 1e6, ...timeline.samples.map(({ memoryMb }) => memoryMb.service ?? 0));
    const slowest = Math.max(...[...done.values()].map(({ slowestMs }) => slowestMs));
    return [
      figureOf('faults', faults, ''),
      atLeast('events acknowledged', sent.acknowledged, '', 1),
      atMost('acknowledged and not counted', Math.max(0, sent.acknowledged - events), '', 0),
      atMost('counted twice', Math.max(0, events - sent.acknowledged), '', 0),
      atMost('samples lost or counted twice', Math.abs(samples - sent.acknowledged), '', 0),
      atMost('requests that hung', sent.hangs, '', 0),
      figureOf('slowest request', sent.slowestMs, 'ms'),
      atMost('slowest to acknowledge again', slowest, 'ms', READY_MS_MAX),
      atMost('service memory', peak, 'MB', MEMORY_MB_MAX),
    ];
  },
});
