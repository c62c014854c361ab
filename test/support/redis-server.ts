/**
 * A real Redis for a test: started by the test, on a unix socket in a folder of its own, ended with it. It
 * listens on no port and saves nothing, so tests run side by side and never meet anybody's data.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import './watch.js';

const startDeadlineMs = 120_000;
const pollMs = 10;

export interface TestRedis {
  /** Path of the unix socket. */
  socket: string;
  /** What a client connects to: the socket's path, which ioredis takes as it takes a URL. */
  url: string;
  /** The folder of the socket. */
  dir: string;
  process: ChildProcess;
  /** Ends the server and removes the folder. Harmless when called again. */
  stop(): Promise<void>;
}

/** Starts `redis-server`; `args` come last and so win, for example `['--maxmemory', '10mb']`. */
export async function startRedis(args: readonly string[] = []): Promise<TestRedis> {
  const dir = mkdtempSync(join(tmpdir(), 'pt-redis-'));
  const socket = join(dir, 'redis.sock');
  const fixed = ['--port', '0', '--unixsocket', socket, '--dir', dir, '--save', '', '--appendonly', 'no'];
  const child = spawn('redis-server', [...fixed, '--maxmemory-policy', 'noeviction', ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.on('data', (chunk) => {
    output = (output + chunk).slice(-2_000);
  });
  const failure = once(child, 'error').then(([error]) => Promise.reject(error));
  failure.catch(() => {});
  // A test file that ends early must leave nothing behind.
  const killNow = () => {
    child.kill('SIGKILL');
    rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
  };
  process.once('exit', killNow);

  async function stop(): Promise<void> {
    process.removeListener('exit', killNow);
    if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) {
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    }
    rmSync(dir, { recursive: true, force: true });
  }

  try {
    await Promise.race([failure, untilReady(child, socket)]);
  } catch (cause) {
    await stop();
    throw new Error(`redis-server did not start: ${output}`, { cause });
  }
  return { socket, url: socket, dir, process: child, stop };
}

async function untilReady(child: ChildProcess, socket: string): Promise<void> {
  const signal = AbortSignal.timeout(startDeadlineMs);
  while (!(await answersPing(socket))) {
    if (child.exitCode !== null) throw new Error(`It ended with ${child.exitCode}.`);
    await pause(pollMs, undefined, { signal });
  }
}

/** One PING on a connection of its own; false while nobody listens or the data is still loading. */
function answersPing(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const connection = connect({ path }, () => connection.write('PING\r\n'));
    connection.once('data', (reply) => {
      connection.destroy();
      resolve(reply.toString().startsWith('+PONG'));
    });
    connection.once('error', () => resolve(false));
    connection.once('close', () => resolve(false));
  });
}
