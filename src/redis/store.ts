/**
 * The store: where calls are sent to. One Redis, or the masters of a cluster, by the form of REDIS_URL; whoever sends
 * calls (pipeline.ts) need not know which. What is about servers and not about keys asks each master for itself; what
 * visits one after another (scan.ts) knows them by their slots, which stay when a replica takes over.
 */
import type { Redis } from 'ioredis';
import { type RedisAddress, readAddress } from './address.js';
import { breakerOf, breakerStates } from './breaker.js';
import { createCluster } from './cluster/cluster.js';
import { SLOTS, slotOf } from './cluster/slots.js';
import { type ConnectionDependencies, createConnection } from './connection.js';
import { isCluster, type Store, unsent } from './pipeline.js';

interface StoreDependencies extends Omit<ConnectionDependencies, 'address'> {
  address: RedisAddress;
}

/** Opens a store that keeps itself up. It starts at once; `ready` is emitted at every (re)connect. @throws Error: the address */
export function openStore(dependencies: StoreDependencies): Store {
  const store = connect(dependencies);
  const states = () => mastersOf(store).map((redis) => breakerStates.indexOf(breakerOf(redis)));
  dependencies.metrics.observeBreaker(dependencies.name, () => Math.max(0, ...states()));
  return store;
}

function connect(dependencies: StoreDependencies): Store {
  const { address, name, metrics, log } = dependencies;
  const target = readAddress(address);
  if (!target.cluster) return createConnection({ ...dependencies, address: target.server });
  const { seeds, access } = target.cluster;
  return createCluster({
    name,
    seeds,
    metrics,
    log,
    open: ({ host, port }) =>
      createConnection({
        ...dependencies,
        address: { host, port, ...access },
        log: log.child({ node: `${host}:${port}` }),
      }),
  });
}

/** The servers that hold the data: one, or the masters of a cluster as they are known now. */
export const mastersOf = (store: Store): readonly Redis[] => (isCluster(store) ? store.masters : [store]);

/** A server that holds data, and the first of the slots for which it was chosen. */
export interface Home {
  slot: number;
  redis: Redis;
}

/**
 * Where data is: the server that has a key, or all servers by their first slots.
 * @param from the first slot that counts; the slots before it are left out
 * @throws Error as of a call that was not sent, where a slot has no master: what is in it cannot be known
 */
export function homesOf(store: Store, key?: string, from = 0): Home[] {
  if (!isCluster(store)) return [{ slot: 0, redis: store }];
  const slots = key === undefined ? Array.from({ length: SLOTS }, (_, slot) => slot) : [slotOf(key)];
  const firstSlots = new Map<Redis, number>();
  for (const slot of slots) {
    const redis = store.masterOf(slot);
    if (!redis) throw unsent(`no node serves slot ${slot}`);
    if (!firstSlots.has(redis)) firstSlots.set(redis, slot);
  }
  return [...firstSlots].map(([redis, slot]) => ({ slot, redis })).filter(({ slot }) => slot >= from);
}
