/**
 * Ends a Redis that outlived the service that started it (`kill -9`, a crash), so that a folder is never
 * served by two. Its lock says whether there is one; nothing but that lock is believed, because sockets, pid
 * files and port files stay behind when their owner dies.
 *
 * It is asked to shut down, which also works while it is still loading. One that does not listen, because it
 * is frozen or its socket was deleted, is killed by its pid, but only where the system shows that the pid
 * runs in this very folder. Nothing acknowledged is lost: the file has it.
 */
import { existsSync, readFileSync, readlinkSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { askServer, earlierConnection } from './connection.js';
import { takeLock } from './lock.js';

export const pidName = 'redis.pid';
const pollMs = 50;
const endMsMax = 20_000;

/**
 * Takes the lock that stands for the Redis of a folder, ending whoever has it.
 * @param lockFile the file whose lock a Redis of this folder holds
 * @param dataDir the folder, absolute
 * @param politeMs for how long it is asked before it is killed
 * @returns the open file, to be handed to the next Redis; and whether there was one to end
 * @throws Error where it cannot be ended
 */
export async function endLeftover(
  lockFile: string,
  dataDir: string,
  politeMs = 5_000,
): Promise<{ fd: number; ended: boolean }> {
  const polite = AbortSignal.timeout(politeMs);
  const deadline = AbortSignal.timeout(politeMs + endMsMax);
  for (let ended = false; !deadline.aborted; ended = true) {
    const fd = takeLock(lockFile);
    if (fd !== null) return { fd, ended };
    if (polite.aborted) killByPid(dataDir);
    else await askToShutDown(dataDir);
    await pause(pollMs);
  }
  throw new Error(
    `A Redis left over from an earlier run still serves ${dataDir} and cannot be ended. Look for a redis-server or valkey-server process (${pidName} there names it), end it, and start again.`,
  );
}

async function askToShutDown(dataDir: string): Promise<void> {
  const connection = earlierConnection(dataDir);
  if (connection === null) return;
  try {
    const [, dir] = (await askServer(connection, 1000, 'CONFIG', 'GET', 'dir')) as string[];
    if (dir !== undefined && realpathSync(dir) === realpathSync(dataDir))
      await askServer(connection, 5000, 'SHUTDOWN', 'NOSAVE');
  } catch {
    // No answer, or the connection ended with the server: the lock tells which.
  }
}

function killByPid(dataDir: string): void {
  const file = join(dataDir, pidName);
  const pid = existsSync(file) ? Number(readFileSync(file, 'utf8')) : 0;
  if (Number.isInteger(pid) && pid > 1 && runsIn(pid, dataDir)) process.kill(pid, 'SIGKILL');
}

function runsIn(pid: number, dataDir: string): boolean {
  try {
    return readlinkSync(`/proc/${pid}/cwd`) === realpathSync(dataDir);
  } catch {
    return false;
  }
}
