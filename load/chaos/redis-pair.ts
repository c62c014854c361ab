/**
 * A primary and its replica, each with an append-only file synced at every write, that can be killed, started again
 * from that file, and made to change places.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Redis } from 'ioredis';

interface Node {
  port: number;
  dir: string;
  child: ChildProcess;
}

const POLL_MS = 20;

function spawnNode(port: number, dir: string, of?: number): Node {
  const fixed = ['--port', String(port), '--bind', '127.0.0.1', '--dir', dir, '--save', ''];
  const durable = ['--appendonly', 'yes', '--appendfsync', 'always', '--enable-debug-command', 'yes'];
  const replica = of === undefined ? [] : ['--replicaof', `127.0.0.1 ${of}`];
  const quick = ['--repl-diskless-sync-delay', '0', '--repl-ping-replica-period', '1'];
  const args = [...fixed, ...durable, ...quick, '--maxmemory-policy', 'noeviction', ...replica];
  return { port, dir, child: spawn('redis-server', args, { stdio: 'ignore' }) };
}

/** Runs commands on a connection of its own. */
async function withNode<Result>(port: number, use: (redis: Redis) => Promise<Result>): Promise<Result> {
  const redis = new Redis({ port, protocol: 2, retryStrategy: () => null, enableOfflineQueue: true });
  redis.on('error', () => undefined);
  try {
    return await use(redis);
  } finally {
    redis.disconnect();
  }
}

async function until(port: number, isSo: (info: string) => boolean): Promise<void> {
  for (;;) {
    const info = await withNode(port, (redis) => redis.info()).catch(() => '');
    if (isSo(info)) return;
    await pause(POLL_MS);
  }
}
const isUp = (info: string) => info.includes('redis_version') && !info.includes('loading:1');
const isLinked = (info: string) => info.includes('master_link_status:up');

async function kill(node: Node): Promise<void> {
  const ended = once(node.child, 'exit');
  node.child.kill('SIGKILL');
  await ended;
}

export async function startRedisPair(ports: readonly [number, number]) {
  const dirs = ports.map(() => mkdtempSync(join(tmpdir(), 'pt-chaos-')));
  let primary = spawnNode(ports[0], dirs[0]);
  await until(primary.port, isUp);
  let replica = spawnNode(ports[1], dirs[1], primary.port);
  await until(replica.port, isLinked);
  const killAll = () => {
    for (const { child } of [primary, replica]) child.kill('SIGKILL');
  };
  process.once('exit', killAll);

  return {
    get port(): number {
      return primary.port;
    },
    ask: <Result>(use: (redis: Redis) => Promise<Result>) => withNode(primary.port, use),
    /** The process of the primary. */
    get pid(): number | undefined {
      return primary.child.pid;
    },
    /** kill -9, and up again with what its file holds; the replica follows it again. @returns ms until it was up */
    async restart(): Promise<number> {
      const from = performance.now();
      await kill(primary);
      primary = spawnNode(primary.port, primary.dir);
      await until(primary.port, isUp);
      const ms = performance.now() - from;
      await until(replica.port, isLinked);
      return ms;
    },
    /** The primary is killed and the replica takes its place; what was the primary comes back as replica. */
    async failOver(switchOver: (port: number) => void): Promise<void> {
      const lost = primary;
      await kill(lost);
      await withNode(replica.port, (redis) => redis.replicaof('NO', 'ONE'));
      primary = replica;
      switchOver(primary.port);
      replica = spawnNode(lost.port, lost.dir, primary.port);
      await until(replica.port, isLinked);
    },
    async stop(): Promise<void> {
      process.removeListener('exit', killAll);
      await Promise.all([kill(primary), kill(replica)]);
      for (const dir of dirs) rmSync(dir, { recursive: true, force: true });
    },
  };
}

export type RedisPair = Awaited<ReturnType<typeof startRedisPair>>;
