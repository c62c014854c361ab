/** The connections to Redis that the process shares: writes, questions and work in the background each have their own. */
import type { FastifyBaseLogger } from 'fastify';
import type { Config } from '../config.js';
import type { Metrics } from '../metrics.js';
import type { RedisAddress } from '../redis/address.js';
import { type ConnectionName, connectionLimits } from '../redis/connection.js';
import type { Store } from '../redis/pipeline.js';
import { openStore } from '../redis/store.js';

interface ConnectionsDependencies {
  address: RedisAddress;
  config: Config;
  metrics: Metrics;
  log: FastifyBaseLogger;
}

/** That of the limits is opened where there are any (wiring/limits.ts). */
export type Connections = Record<Exclude<ConnectionName, 'limits'>, Store>;

/** Opens all of them; they keep themselves up. */
export function openConnections({ address, config, metrics, log }: ConnectionsDependencies): Connections {
  const limits = connectionLimits(config);
  const open = (name: ConnectionName) => openStore({ address, name, limits, metrics, log });
  return { write: open('write'), read: open('read'), background: open('background') };
}

/** Closes all of them, at once. */
export function closeConnections(connections: Connections): void {
  for (const redis of Object.values(connections)) redis.disconnect();
}
