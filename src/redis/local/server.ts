/**
 * The service's own Redis: a redis-server (or valkey-server) run as a child, for machines where nobody has
 * set REDIS_URL. Its data, socket and locks live in one folder, which can be moved or deleted as a whole.
 *
 * - It listens on a unix socket in that folder and nowhere else. The kernel limits the length of a socket's
 *   path; where the folder lies too deep, it listens on a free port of 127.0.0.1 instead (`connection.ts`).
 * - Every write goes to an append-only file, and nothing is ever evicted.
 * - One service owns the folder and one Redis serves it: two kernel locks see to that (`lock.ts`). A Redis
 *   that outlived its service is ended first (`leftover.ts`). A tail of the file that a crash of the
 *   machine damaged is cut off (`aof.ts`).
 * - It runs in its own process group, so that Ctrl-C in a terminal reaches the service alone, which drains
 *   its writes and then ends Redis. Should Redis die while the service lives, it is started again, after a
 *   growing, bounded pause; the connections come back by themselves, and requests get 503 in the meantime.
 */
import {
  accessSync,
  closeSync,
  constants,
  ftruncateSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { BaseLogger } from 'pino';
import { damagedTail, mendAppendOnlyFile } from './aof.js';
import { findServerBinary } from './binary.js';
import { chooseConnection, type LocalConnection } from './connection.js';
import { endLeftover } from './leftover.js';
import { takeLock } from './lock.js';
import { createServerOutput } from './output.js';
import { type Run, type ServerProcess, spawnServer } from './process.js';

/** After so long without a death the pauses start small again. */
const calmMs = 60_000;

export interface LocalServerOptions {
  /** Folder of the data; made where it is missing. */
  dataDir: string;
  /** `always`, `everysec` or `no`. */
  appendfsync: string;
  log: Pick<BaseLogger, 'debug' | 'info' | 'warn'>;
  /** Milliseconds to wait before the nth start, from 1, after Redis died by itself. */
  restartDelayMs?: (attempt: number) => number;
}

export interface LocalServer {
  /** Options for ioredis; they stay the same until `stop`. Only after `start`. */
  readonly connection: LocalConnection;
  /**
   * Settles once Redis has loaded its data and answers.
   * @throws Error, made for people, where no server is installed, the folder is in use, or Redis ends at once
   */
  start(): Promise<void>;
  /** Ends Redis after its clients are closed, and gives the folder free. Harmless when not started. */
  stop(): Promise<void>;
}

/** The own Redis of one service, not yet started. */
export function createLocalServer({
  dataDir: folder,
  appendfsync,
  log,
  restartDelayMs = (attempt) => Math.min(100 * 2 ** (attempt - 1), 5_000),
}: LocalServerOptions): LocalServer {
  const stopping = new AbortController();
  let host: Host | null = null;
  let owner: number | null = null;
  let supervision = Promise.resolve();
  const endWithProcess = () => host?.server?.signal('SIGTERM');

  async function stop(): Promise<void> {
    stopping.abort();
    await host?.server?.end();
    await supervision;
    await host?.server?.end();
    process.removeListener('exit', endWithProcess);
    if (owner !== null) closeSync(owner);
    owner = null;
  }

  return {
    get connection() {
      if (host === null) throw new Error('the local server is not started');
      return host.connection;
    },
    async start() {
      const program = findServerBinary();
      const dataDir = openFolder(folder);
      owner = own(dataDir);
      process.once('exit', endWithProcess);
      try {
        closeSync(await takeServerLock(dataDir, log));
        const connection = await chooseConnection(dataDir);
        const output = createServerOutput(log);
        const stopped = stopping.signal;
        host = { program, dataDir, connection, appendfsync, log, output, stopped, server: null };
        const first = await launch(host);
        log.info({ program, dataDir, ...connection }, 'own Redis is ready');
        supervision = supervise(host, first, restartDelayMs);
      } catch (error) {
        await stop();
        throw error;
      }
    },
    stop,
  };
}

/** What the runs of one server share. */
interface Host extends Omit<Run, 'lock'> {
  log: LocalServerOptions['log'];
  stopped: AbortSignal;
  /** The latest run, even while it is still loading. */
  server: ServerProcess | null;
}

/** Starts a run and waits until it answers; mends the file and tries once more where that is what it needs. */
async function launch(host: Host): Promise<ServerProcess> {
  try {
    return await runOnce(host);
  } catch (error) {
    if (!damagedTail.test(host.output.last())) throw error;
    host.log.warn(await mendAppendOnlyFile(host.program, host.dataDir));
    return runOnce(host);
  }
}

async function runOnce(host: Host): Promise<ServerProcess> {
  const lock = await takeServerLock(host.dataDir, host.log);
  if (host.stopped.aborted) {
    closeSync(lock);
    throw new Error('stopped before it was started again');
  }
  host.output.clear();
  host.server = spawnServer({ ...host, lock });
  await host.server.ready();
  return host.server;
}

async function takeServerLock(dataDir: string, log: LocalServerOptions['log']): Promise<number> {
  const { fd, ended } = await endLeftover(join(dataDir, 'redis.lock'), dataDir);
  if (ended) log.warn({ dataDir }, 'ended a Redis left over from an earlier run');
  return fd;
}

/** Starts the next run whenever one ends by itself, until the host is stopped. */
async function supervise(host: Host, first: ServerProcess, delayMsOf: (attempt: number) => number) {
  let server: ServerProcess | null = first;
  let attempt = 0;
  for (;;) {
    const calm = setTimeout(() => {
      attempt = 0;
    }, calmMs).unref();
    const reason = await (server?.exited ?? 'it did not start');
    clearTimeout(calm);
    if (host.stopped.aborted) return;
    attempt += 1;
    const delayMs = delayMsOf(attempt);
    host.log.warn(
      { reason, attempt, delayMs, redis: host.output.last() },
      'own Redis ended, starting it again',
    );
    await pause(delayMs, null, { signal: host.stopped }).catch(() => null);
    if (host.stopped.aborted) return;
    server = await launch(host).catch((error: Error) => {
      host.log.warn({ err: error }, 'own Redis did not start');
      return null;
    });
  }
}

/** The absolute path of a folder, which is made where it is missing. @throws Error that names DATA_DIR */
function openFolder(folder: string): string {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    accessSync(folder, constants.W_OK);
    return realpathSync(folder);
  } catch (error) {
    const why = (error as Error).message;
    throw new Error(`DATA_DIR: the folder ${folder} cannot be used: ${why}`, { cause: error });
  }
}

/** Takes the folder for this process until the open file is closed. */
function own(dataDir: string): number {
  const file = join(dataDir, 'service.lock');
  const fd = takeLock(file);
  if (fd === null) {
    const pid = readFileSync(file, 'utf8').trim();
    throw new Error(
      `Another PaperTrail service (process ${pid}) uses the folder ${dataDir}. ` +
        'Stop it, or give this one a DATA_DIR of its own.',
    );
  }
  ftruncateSync(fd);
  writeSync(fd, `${process.pid}\n`);
  return fd;
}
