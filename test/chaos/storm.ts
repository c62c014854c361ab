/**
 * A storm: senders with idempotency keys go on while everything between the service and its data fails, one fault
 * after the other. At the end what was acknowledged is compared with what is counted: by the exact counters, and by
 * the samples of the digests.
 *
 * Redis writes its append-only file at every command and has a replica that each acknowledgement waits for. The
 * service is a process of its own, and talks to Redis through a proxy. Each fault comes once in turn, and from then on
 * at random. After each one there is calm until every sender has been answered again.
 */
import { readUsages } from '../../load/targets/usage.js';
import { seededRandom } from '../support/random.js';
import { type ServiceProcess, startServiceProcess } from '../support/service-process.js';
import { until } from '../support/until.js';
import { createFaults } from './faults.js';
import { startFaultyProxy } from './faulty-proxy.js';
import { startRedisPair } from './redis-pair.js';
import { type Sent, startSenders } from './senders.js';

/** How many there are that senders send about. */
export const stormSystems = 20;
const RETENTION_MS = 3 * 86_400_000;

export interface StormOptions {
  /** How many; where absent, each kind once. */
  faults?: number;
  /** Events acknowledged at least, evenly between the faults. */
  events?: number;
  senders: number;
  eventsPerBatch: number;
  seed: number;
  /** Told after each fault how long it took until the next acknowledgement. */
  onFault?: (name: string, recoveryMs: number, sent: Sent) => void;
  /** Told once of the processes, by their ids as they are when it is asked. */
  onStart?: (processes: () => { service: number | undefined; redis: number | undefined }) => void;
  /** Told of every batch that is acknowledged: how long its last try took. */
  note?: (ms: number) => void;
}

export interface StormReport {
  sent: Sent;
  /** By name: how often, and the longest time from the end of the fault to the next acknowledgement. */
  faults: Map<string, { times: number; recoveryMs: number }>;
  /** What the exact counters hold. */
  counted: number;
  /** What the digests hold. */
  samples: number;
  largestServiceBytes: number;
  seconds: number;
}

/** What the exact counters hold, and the samples of all digests, of the systems that senders send to. */
export async function countAll(base: string, now: number): Promise<{ counted: number; samples: number }> {
  const from = new Date(now - RETENTION_MS).toISOString();
  const ask = async (path: string) => (await fetch(`${base}/api/v1/compliance/${path}`)).json();
  let counted = 0;
  let samples = 0;
  for (let i = 0; i < stormSystems; i++) {
    const about = `system=chaos-${i}&from=${from}`;
    const series = (await ask(`timeseries/events?${about}&step=1d`)) as { points: { count: number }[] };
    for (const { count } of series.points) counted += count;
    samples += ((await ask(`stats/latency_ms?${about}`)) as { count: number }).count;
  }
  return { counted, samples };
}

/** Starts the proxy, Redis with its replica, and the service. */
async function startRig() {
  const redis = await startRedisPair();
  const proxy = await startFaultyProxy(redis.port);
  const start = () =>
    startServiceProcess(
      { url: `redis://127.0.0.1:${proxy.port}` },
      { INGEST_WAIT_REPLICAS: '1', REDIS_HEALTH_CHECK_SECONDS: '5' },
    );
  async function stopRedis(): Promise<void> {
    await proxy.stop();
    await redis.stop();
  }
  let service: ServiceProcess;
  try {
    service = await start();
  } catch (error) {
    await stopRedis();
    throw error;
  }
  const faults = createFaults({
    redis,
    proxy,
    async killService() {
      await service.kill();
      service = await start();
    },
    async restartService() {
      service.child.kill('SIGTERM');
      await service.exited;
      service = await start();
    },
  });
  return {
    faults,
    service: () => service,
    processes: () => ({ service: service.child.pid, redis: redis.pid }),
    async stop(): Promise<void> {
      await service.kill();
      await stopRedis();
    },
  };
}

/** Runs a storm. @throws where the service does not acknowledge again in time after a fault */
export async function runStorm(options: StormOptions): Promise<StormReport> {
  const { senders: count, eventsPerBatch, seed, onFault, onStart, note } = options;
  const rig = await startRig();
  onStart?.(rig.processes);
  const random = seededRandom(seed);
  const base = () => rig.service().base;
  const sending = { base, count, eventsPerBatch, systems: stormSystems, random, note };
  const { sent, end, giveUp } = startSenders(sending);
  const began = performance.now();
  const names = Object.keys(rig.faults);
  const { faults = names.length, events = 0 } = options;
  const done: StormReport['faults'] = new Map();
  let largestServiceBytes = 0;

  /** Resolves when the next batch is acknowledged; in milliseconds, how long that took. */
  async function untilNext(after: string): Promise<number> {
    const before = sent.batches;
    const from = performance.now();
    await until(() => sent.batches > before, `an acknowledgement after ${after}`);
    return performance.now() - from;
  }

  /**
   * Resolves when every sender has been answered again and so many events are acknowledged in all, however long that
   * takes as long as some are.
   */
  async function calm(least: number, after: string): Promise<void> {
    const goal = sent.batches + 2 * count;
    while (sent.batches < goal || sent.acknowledged < least) await untilNext(after);
  }

  try {
    await calm(0, 'the start');
    for (let i = 0; i < faults; i++) {
      const name = names[i < names.length ? i : Math.floor(random() * names.length)];
      await rig.faults[name]();
      const recoveryMs = await untilNext(name);
      await calm((events * (i + 1)) / faults, name);
      const { service } = readUsages(rig.processes());
      largestServiceBytes = Math.max(largestServiceBytes, service?.memoryBytes ?? 0);
      const before = done.get(name) ?? { times: 0, recoveryMs: 0 };
      done.set(name, { times: before.times + 1, recoveryMs: Math.max(before.recoveryMs, recoveryMs) });
      onFault?.(name, recoveryMs, sent);
    }
    await end();
    const seconds = (performance.now() - began) / 1_000;
    const found = await countAll(base(), Date.now());
    return { sent, faults: done, ...found, largestServiceBytes, seconds };
  } finally {
    giveUp();
    await rig.stop();
  }
}
