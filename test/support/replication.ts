/** A master and a replica of it for a test. Replication needs ports, so both listen on free ones of this machine. */
import { once } from 'node:events';
import { createServer } from 'node:net';
import { startRedis, type TestRedis } from './redis-server.js';
import { withRedis } from './redis-state.js';
import { until } from './until.js';

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

export const listening = (port: number) => ['--port', String(port), '--bind', '127.0.0.1'];

export interface Pair {
  master: TestRedis;
  masterPort: number;
  replica: TestRedis;
  replicaPort: number;
}

/** Starts both, and waits until the replica follows and confirms what is written. */
export async function startPair(args: readonly string[] = []): Promise<Pair> {
  const [masterPort, replicaPort] = [await freePort(), await freePort()];
  const master = await startRedis([...listening(masterPort), '--repl-diskless-sync-delay', '0', ...args]);
  const following = ['--replicaof', '127.0.0.1', String(masterPort)];
  const replica = await startRedis([...listening(replicaPort), ...following, ...args]);
  await withRedis(replica, async (connection) => {
    const isFollowing = async () => (await connection.info('replication')).includes('master_link_status:up');
    await until(isFollowing, 'the replica to follow');
  });
  await withRedis(master, async (connection) => {
    await connection.set('first', 'write');
    await until(async () => (await connection.wait(1, 100)) === 1, 'the replica to confirm a write');
    await connection.del('first');
  });
  return { master, masterPort, replica, replicaPort };
}
