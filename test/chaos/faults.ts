/**
 * What can fail between a sender and its data, each as one thing that can be done to a running rig. A fault that has
 * a length resolves at its end; what it leaves behind is for the service to deal with.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { FaultyProxy, Weather } from './faulty-proxy.js';
import type { RedisPair } from './redis-pair.js';

export interface Rig {
  proxy: FaultyProxy;
  redis: RedisPair;
  killService(): Promise<void>;
  restartService(): Promise<void>;
}

export type Faults = Readonly<Record<string, () => Promise<unknown>>>;

/** The faults by name, in the order in which they come first. */
export function createFaults({ proxy, redis, killService, restartService }: Rig): Faults {
  const weather = async (kind: Weather, ms: number) => {
    proxy.set(kind);
    await pause(ms);
    proxy.set({ kind: 'fair' });
  };
  /** Redis is full: it answers, and refuses what could need memory. */
  const full = async (ms: number) => {
    await redis.ask((node) => node.config('SET', 'maxmemory', '1'));
    await pause(ms);
    await redis.ask((node) => node.config('SET', 'maxmemory', '0'));
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
    'memory full (OOM)': () => full(1_000),
    'restart of Redis': () => redis.restart('SIGTERM'),
    'kill -9 of Redis': () => redis.restart('SIGKILL'),
    'failover to the replica': () => redis.failOver(proxy.leadTo),
    'restart of the service': restartService,
    'kill -9 of the service': killService,
  };
}
