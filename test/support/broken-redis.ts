/** A Redis whose keys hold what they should not: somebody else wrote there. */
import type { Redis } from 'ioredis';

/** Turns every key that a pattern matches into one of another type. */
export async function breakKeys(connection: Redis, pattern: string): Promise<void> {
  for await (const keys of connection.scanStream({ match: pattern })) {
    for (const key of keys as string[]) {
      const isText = (await connection.type(key)) === 'string';
      await connection.del(key);
      if (isText) await connection.rpush(key, 'not', 'ours');
      else await connection.set(key, 'not ours');
    }
  }
}
