/** What is in a test's Redis, to the byte: to show that a request changed nothing, or only its own keys. */
import { Redis } from 'ioredis';
import { generationsKey } from '../../src/redis/keys.js';
import { contentOf } from './apply-delta.js';
import type { TestRedis } from './redis-server.js';

/** Runs something with a connection of its own. */
export async function withRedis<Result>(
  redis: TestRedis,
  use: (connection: Redis) => Promise<Result>,
): Promise<Result> {
  const connection = new Redis(redis.socket, { retryStrategy: () => null });
  try {
    return await use(connection);
  } finally {
    connection.disconnect();
  }
}

/** Every key with its serialised value, but for the counters of invalidations: a job raises them, at a time of its own. */
export async function stateOf(redis: TestRedis) {
  const { [generationsKey]: _, ...state } = await withRedis(redis, contentOf);
  return state;
}
