/** How systems are spread over shards: what the settings say, and what is known of it in Redis. */
import type { Config } from '../config.js';
import type { Store } from '../redis/pipeline.js';
import { createShards } from '../redis/shards.js';
import { readSpread, type Spread } from '../redis/spread.js';
import { type Retention, recordSeconds } from '../windows/retention.js';

/** @throws Error that names the setting where it cannot be read, or not together with another */
export function openSpread(config: Pick<Config, 'SYSTEM_SHARDS' | 'EVENT_ID_SECONDS'>): Spread {
  const spread = readSpread(config.SYSTEM_SHARDS);
  if (spread.size > 0 && config.EVENT_ID_SECONDS > 0) {
    const why = 'the ids of a system are looked up in one place';
    throw new Error(`SYSTEM_SHARDS must be empty where EVENT_ID_SECONDS is set: ${why}`);
  }
  return spread;
}

interface ShardsDependencies {
  redis: Store;
  spread: Spread;
  config: Pick<Config, 'IDEMPOTENCY_SECONDS' | 'REDIS_INGEST_TIMEOUT_MS'>;
  retention: Retention;
}

export const openShards = ({ redis, spread, config, retention }: ShardsDependencies) =>
  createShards({
    redis,
    spread,
    keptSeconds: recordSeconds(retention),
    claimsKeptSeconds: config.IDEMPOTENCY_SECONDS,
    timeoutMs: config.REDIS_INGEST_TIMEOUT_MS,
  });
