/** The connections to Redis that the process shares: writes, questions and work in the background each have their own. */
import type { FastifyBaseLogger } from 'fastify';
import type { Redis } from 'ioredis';
import type { Config } from '../config.js';
import type { Metrics } from '../metrics.js';
import {
  type ConnectionName,
  connectionLimits,
  createConnection,
  type RedisAddress,
} from '../redis/connection.js';

interface ConnectionsDependencies {
  address: RedisAddress;
  config: Config;
  metrics: Metrics;
  log: FastifyBaseLogger;
}

export type Connections = Record<ConnectionName, Redis>;

/** Opens all of them; they keep themselves up. */
export function openConnections({ address, config, metrics, log }: ConnectionsDependencies): Connections {
  const limits = connectionLimits(config);
  const open = (name: ConnectionName) => createConnection({ address, name, limits, metrics, log });
  return { write: open('write'), read: open('read'), background: open('background') };
}

/** Closes all of them, at once. */
export function closeConnections(connections: Connections): void {
  for (const redis of Object.values(connections)) redis.disconnect();
}
