/** How often answers about spans that are over have become invalid by late events, as the processes on a Redis count it. */
import { generationsKey, lateField } from '../../src/redis/keys.js';
import type { TestRedis } from './redis-server.js';
import { withRedis } from './redis-state.js';
import { until } from './until.js';

/** How often it has happened, once for the start of each process included. */
export const lateFlushes = (server: TestRedis): Promise<number> =>
  withRedis(server, async (redis) => Number(await redis.hget(generationsKey, lateField('calls'))));

/** Waits until it has happened so often. */
export const untilLateFlushes = (server: TestRedis, count: number): Promise<void> =>
  until(async () => (await lateFlushes(server)) >= count, `answers to become invalid ${count} times`);
