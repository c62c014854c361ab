/**
 * A primary and its replica, each with an append-only file synced at every write, that can be killed, started again
 * from that file, and made to change places.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { freePort } from '../support/replication.js';
import { until } from '../support/until.js';
import '../support/watch.js';

interface Node {
  port: number;
  dir: string;
  child: ChildProcess;
}

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

const infoOf = (port: number) => withNode(port, (redis) => redis.info()).catch(() => '');

const untilUp = ({ port }: Node) =>
  until(async () => {
    const info = await infoOf(port);
    return info.includes('redis_version') && !info.includes('loading:1');
  }, 'Redis with its data');

const untilLinked = ({ port }: Node) =>
  until(async () => (await infoOf(port)).includes('master_link_status:up'), 'a replica that follows');

async function end({ child }: Node, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill(signal);
  await ended;
}

export async function startRedisPair() {
  const ports = [await freePort(), await freePort()];
  const dirs = ports.map(() => mkdtempSync(join(tmpdir(), 'pt-chaos-')));
  let primary = spawnNode(ports[0], dirs[0]);
  let replica = spawnNode(ports[1], dirs[1], primary.port);
  const removeAll = () => {
    for (const dir of dirs) rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
  };
  const killNow = () => {
    for (const { child } of [primary, replica]) child.kill('SIGKILL');
    removeAll();
  };
  process.once('exit', killNow);
  async function stop(): Promise<void> {
    process.removeListener('exit', killNow);
    await Promise.all([primary, replica].map((node) => end(node, 'SIGKILL')));
    removeAll();
  }
  try {
    await untilUp(primary);
    await untilLinked(replica);
  } catch (error) {
    await stop();
    throw error;
  }

  return {
    get port(): number {
      return primary.port;
    },
    /** The process of the primary. */
    get pid(): number | undefined {
      return primary.child.pid;
    },
    ask: <Result>(use: (redis: Redis) => Promise<Result>) => withNode(primary.port, use),
    /** Ended by a signal, and up again with what its file holds; the replica follows it again. */
    async restart(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
      await end(primary, signal);
      primary = spawnNode(primary.port, primary.dir);
      await untilUp(primary);
      await untilLinked(replica);
    },
    /** The primary is killed and the replica takes its place; what was the primary comes back as replica. */
    async failOver(switchOver: (port: number) => void): Promise<void> {
      const lost = primary;
      await end(lost, 'SIGKILL');
      await withNode(replica.port, (redis) => redis.replicaof('NO', 'ONE'));
      primary = replica;
      switchOver(primary.port);
      replica = spawnNode(lost.port, lost.dir, primary.port);
      await untilLinked(replica);
    },
    stop,
  };
}

export type RedisPair = Awaited<ReturnType<typeof startRedisPair>>;
