/** The service as a process with its own Redis, as people run it, and what can be known of that Redis. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, readdirSync, readFileSync, readlinkSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import { takeLock } from '../../src/redis/local/lock.js';
import { until } from './until.js';
import './watch.js';

export const root = fileURLToPath(new URL('../../../', import.meta.url));

interface Start {
  /** The program and its arguments; by default the built service. */
  command?: readonly string[];
  /** The folder it runs in. */
  cwd?: string;
  /** Settings besides DATA_DIR and a free PORT. */
  env?: Record<string, string>;
}

export type Service = Awaited<ReturnType<typeof startService>>;

/** Spawns the service on a free port; returns at once. It is gone after the test, and so is its Redis. */
export function spawnService(test: Test, dataDir: string, { command, cwd = root, env }: Start = {}) {
  const [program = '', ...values] = command ?? [process.execPath, 'build/src/server.js'];
  const fixed = {
    DATA_DIR: dataDir,
    PORT: '0',
    REDIS_URL: '',
    WORKERS: '1',
    LOG_LEVEL: 'info',
    QUERY_CACHE: 'off',
    EVENT_LOOP_DELAY_MS_MAX: '60000',
    INGEST_QUEUE_MS_MAX: '60000',
  };
  const child = spawn(program, values, {
    cwd,
    env: { ...process.env, ...fixed, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  });
  test.teardown(() => endGroup(child, dataDir));
  const lines: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
  const exited = once(child, 'exit');
  return { child, lines, exited };
}

/** Starts the service and waits until it is ready. @throws Error with what it printed where it ends instead */
export async function startService(test: Test, dataDir: string, options?: Start) {
  const service = spawnService(test, dataDir, options);
  const { child, lines } = service;
  let address = '';
  await until(async () => {
    if (child.exitCode !== null) throw new Error(`the service ended:\n${lines.join('\n')}`);
    address ||= /Server listening at (http:[^"]+)/.exec(lines.join('\n'))?.[1] ?? '';
    return address !== '' && (await fetch(`${address}/readyz`)).ok;
  }, 'the service');
  return { ...service, address };
}

/** Kills what a test left running: the process group of the service, and its Redis. */
function endGroup(child: ChildProcess, dataDir: string): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
  } catch {
    // It is gone already.
  }
  if (!lockIsFree(dataDir, 'redis.lock')) process.kill(redisPid(dataDir), 'SIGKILL');
}

export const redisPid = (dataDir: string): number => Number(readFileSync(join(dataDir, 'redis.pid'), 'utf8'));

export function lockIsFree(dataDir: string, name: string): boolean {
  const fd = takeLock(join(dataDir, name));
  if (fd !== null) closeSync(fd);
  return fd !== null;
}

/** Processes whose working directory is the folder: the Redis servers that serve it. Linux alone shows them. */
export function serversOf(dataDir: string): number[] {
  const folder = realpathSync(dataDir);
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.map(Number).filter((pid) => {
    try {
      return readlinkSync(`/proc/${pid}/cwd`) === folder;
    } catch {
      return false; // it has ended, or belongs to somebody else
    }
  });
}
