/** The service as processes of their own on a Redis of the test: what only several of them, or their end, can show. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { TestRedis } from './redis-server.js';
import { until } from './until.js';
import './watch.js';

const script = fileURLToPath(new URL('../../src/server.js', import.meta.url));

export interface ServiceProcess {
  /** Where it listens, `http://127.0.0.1:<port>`. */
  base: string;
  child: ChildProcess;
  /** What it has logged. */
  lines: readonly string[];
  /** Its exit code and signal, once it has ended. */
  exited: Promise<unknown[]>;
  /** Kills it. Harmless when called again. */
  kill(): Promise<void>;
}

/** Starts the service on a free port and waits until it listens. */
export async function launchServiceProcess(
  redis: Pick<TestRedis, 'url'>,
  env: Record<string, string> = {},
): Promise<ServiceProcess> {
  const child = spawn(process.execPath, [script], {
    env: {
      ...process.env,
      REDIS_URL: redis.url,
      WORKERS: '1',
      HOST: '127.0.0.1',
      PORT: '0',
      LOG_LEVEL: 'info',
      QUERY_CACHE: 'off',
      EVENT_LOOP_DELAY_MS_MAX: '60000',
      INGEST_QUEUE_MS_MAX: '60000',
      REDIS_HEALTH_CHECK_SECONDS: '3600',
      ...env,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  const killNow = () => child.kill('SIGKILL');
  process.once('exit', killNow);
  async function kill(): Promise<void> {
    process.removeListener('exit', killNow);
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
    await exited;
  }
  const lines: string[] = [];
  const base = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      lines.push(line);
      const [, found] = /Server listening at (http:[^"]+)/.exec(line) ?? [];
      if (found !== undefined) resolve(found);
    });
    child.once('exit', () => reject(new Error(`the service ended:\n${lines.join('\n')}`)));
  });
  return { base, child, lines, exited, kill };
}

/** Starts the service on a free port and waits until it is ready. */
export async function startServiceProcess(
  ...how: Parameters<typeof launchServiceProcess>
): Promise<ServiceProcess> {
  const service = await launchServiceProcess(...how);
  try {
    await until(async () => (await fetch(`${service.base}/readyz`)).ok, 'a service that is ready');
    return service;
  } catch (error) {
    await service.kill();
    throw error;
  }
}
