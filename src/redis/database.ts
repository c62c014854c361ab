/** Whether Redis has the database that REDIS_URL names. */
import { Redis } from 'ioredis';
import { type RedisAddress, readAddress } from './address.js';
import { within } from './deadline.js';
import { faultOf } from './faults.js';

/** Whether an error is Redis refusing a SELECT for good: not for its own state, nor for want of a password. */
export function isDatabaseRefused(error: Error & { command?: { name: string } }): boolean {
  if (error.name !== 'ReplyError' || error.command?.name !== 'select') return false;
  return !faultOf(error) && !error.message.startsWith('NOAUTH');
}

/**
 * Looks once whether the database is there, so that a wrong one ends the start. A Redis that cannot be asked now is no
 * reason: the connections go on trying, and use none whose database is refused.
 * @throws Error that names REDIS_URL where Redis refuses the database
 */
export async function checkDatabase(address: RedisAddress, connectTimeoutMs: number): Promise<void> {
  const { server } = readAddress(address);
  if (!server?.db) return;
  const client = new Redis({
    ...server,
    lazyConnect: true,
    protocol: 2,
    enableReadyCheck: false,
    retryStrategy: () => null,
    sentinelRetryStrategy: () => null,
    sentinelCommandTimeout: connectTimeoutMs,
    connectTimeout: 0,
  });
  let isRefused = false;
  client.on('error', (error: Error) => {
    isRefused ||= isDatabaseRefused(error);
  });
  // To connect and to be answered may take so long each, and so may every Sentinel.
  const timeoutMs = connectTimeoutMs * (2 + (server.sentinels?.length ?? 0));
  await within(client.connect(), timeoutMs).catch(() => undefined);
  client.disconnect();
  if (isRefused) throw new Error('REDIS_URL: Redis refuses the database that it names');
}
