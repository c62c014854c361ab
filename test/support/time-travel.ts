/** Time that passes for Redis too: every lifetime is cut by as much, and what has none left is gone. */
import type { Redis } from 'ioredis';

/** Lets `ms` pass for every key. Keys without a lifetime stay as they are. */
export async function letPass(redis: Redis, ms: number): Promise<void> {
  for (const key of await redis.keys('*')) {
    const left = await redis.pttl(key);
    if (left < 0) continue;
    if (left <= ms) await redis.del(key);
    else await redis.pexpire(key, left - ms);
  }
}
