/** Administration, put together. Its walks use the connection for work in the background, so nobody waits behind them. */
import { createPurge } from '../admin/purge.js';
import { createTickets } from '../admin/purge-tickets.js';
import { createTurns } from '../admin/turns.js';
import type { Invalidation } from '../cache/generations.js';
import type { Clock } from '../clock.js';
import type { Config } from '../config.js';
import type { Metrics } from '../metrics.js';
import type { Store } from '../redis/pipeline.js';
import type { Shards } from '../redis/shards.js';
import type { Retention } from '../windows/retention.js';

interface AdministrationDependencies {
  redis: Store;
  shards: Shards;
  config: Config;
  retention: Retention;
  clock: Clock;
  monotonic: Clock;
  metrics: Metrics;
  randomId: () => string;
  invalidate: (what: Invalidation) => Promise<void>;
}

export function createAdministration(dependencies: AdministrationDependencies) {
  const { redis, shards, config, retention, clock, monotonic, metrics, randomId, invalidate } = dependencies;
  const { shardsOf } = shards;
  const admin = { redis, shardsOf, clock, monotonic, timeoutMs: config.REDIS_INGEST_TIMEOUT_MS };
  const purge = createPurge({
    ...admin,
    tickets: createTickets(admin, randomId),
    retention,
    claimsKeptMs: config.IDEMPOTENCY_SECONDS * 1_000,
    idsKnownSeconds: config.EVENT_ID_SECONDS,
    randomId,
    forgetShards: shards.forget,
    invalidate: (systems) => invalidate({ systems }),
    removedKeys: (count) => metrics.purgedKeys.inc(count),
  });
  return { admin, purge, turns: createTurns(), config, invalidate };
}
