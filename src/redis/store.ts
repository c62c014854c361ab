/**
 * The store: where calls are sent to. One Redis, or the masters of a cluster, by the form of REDIS_URL; whoever sends
 * calls (pipeline.ts) need not know which. What is about servers and not about keys asks each master for itself.
 */
import type { Redis } from 'ioredis';
import { breakerOf, breakerStates } from './breaker.js';
import { isClusterUrl, parseClusterUrl } from './cluster/address.js';
import { createCluster } from './cluster/cluster.js';
import { type ConnectionDependencies, createConnection } from './connection.js';
import { isCluster, type Store } from './pipeline.js';

/** Opens a store that keeps itself up. It starts at once; `ready` is emitted at every (re)connect. @throws Error: the address */
export function openStore(dependencies: ConnectionDependencies): Store {
  const store = connect(dependencies);
  const states = () => mastersOf(store).map((redis) => breakerStates.indexOf(breakerOf(redis)));
  dependencies.metrics.observeBreaker(dependencies.name, () => Math.max(0, ...states()));
  return store;
}

function connect(dependencies: ConnectionDependencies): Store {
  const { address, name, metrics, log } = dependencies;
  if (typeof address !== 'string' || !isClusterUrl(address)) return createConnection(dependencies);
  const { seeds, access } = parseClusterUrl(address);
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
