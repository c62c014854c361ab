/**
 * How the service's own Redis is reached: by a unix socket in its folder, or, where the path would be too
 * long for the kernel, by a port of 127.0.0.1 that is noted in the folder so that a Redis left over by a
 * crash is found again.
 *
 * The server names its socket relative to its folder, so only our side of the path can be too long; ours may
 * be relative to the working directory too, if that is shorter.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join, relative } from 'node:path';
import { Redis } from 'ioredis';
import { within } from '../deadline.js';

/** Options for ioredis. */
export type LocalConnection = { path: string } | { host: string; port: number };

/** `sun_path` has 104 bytes on macOS and 108 on Linux, the closing NUL included. */
const socketPathBytesMax = 103;
export const socketName = 'redis.sock';
const portName = 'redis.port';

/**
 * The connection to use for a folder.
 * @param dataDir an absolute path
 */
export async function chooseConnection(dataDir: string): Promise<LocalConnection> {
  const path = socketPath(dataDir);
  if (path !== null) return { path };
  const port = await freePort();
  writeFileSync(join(dataDir, portName), `${port}\n`);
  return { host: '127.0.0.1', port };
}

/** The connection that an earlier Redis of this folder was given, or null where there was none. */
export function earlierConnection(dataDir: string): LocalConnection | null {
  const path = socketPath(dataDir);
  if (path !== null) return existsSync(path) ? { path } : null;
  const file = join(dataDir, portName);
  return existsSync(file) ? { host: '127.0.0.1', port: Number(readFileSync(file, 'utf8')) } : null;
}

/**
 * Sends one command on a connection of its own.
 * @param answerMs how long to wait for the connection, and then for the answer
 * @returns the reply; an error where nothing answers
 */
export async function askServer(
  connection: LocalConnection,
  answerMs: number,
  command: string,
  ...values: string[]
): Promise<unknown> {
  const client = new Redis({
    ...connection,
    lazyConnect: true,
    enableReadyCheck: false,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
    connectTimeout: 0, // the timers of ioredis do not look again (deadline.ts)
  });
  client.on('error', () => {});
  try {
    await within(client.connect(), answerMs);
    return await within(client.call(command, ...values), answerMs);
  } finally {
    client.disconnect();
  }
}

function socketPath(dataDir: string): string | null {
  const absolute = join(dataDir, socketName);
  const candidates = [absolute, `./${relative(process.cwd(), absolute)}`];
  const bytes = (path: string) => Buffer.byteLength(path);
  const shortest = candidates.reduce((best, next) => (bytes(next) < bytes(best) ? next : best));
  return bytes(shortest) <= socketPathBytesMax ? shortest : null;
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      const port = address !== null && typeof address === 'object' ? address.port : 0;
      probe.close(() => resolve(port));
    });
  });
}
