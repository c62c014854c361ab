/**
 * A real Redis Cluster for a test: three masters, one replica of the first, started by the test and ended with it.
 * One master that is away does not keep the others from serving (cluster-require-full-coverage no).
 */
import { connect, createServer } from 'node:net';
import { Redis } from 'ioredis';
import { SLOTS } from '../../src/redis/cluster/slots.js';
import { startRedis, type TestRedis } from './redis-server.js';
import { until } from './until.js';

/** Between nodes the port above that of the clients by this much is used. */
const BUS_OFFSET = 10_000;
/** After so long without an answer a node is given up by the others, and its replica takes over. */
const NODE_TIMEOUT_MS = 2_000;

export interface ClusterNode {
  port: number;
  id: string;
  server: TestRedis;
  /** A connection by the node's socket, for what the test itself does. */
  direct: Redis;
}

export interface TestCluster {
  masters: ClusterNode[];
  /** Of the first master. */
  replica: ClusterNode;
  /** REDIS_URL. */
  url: string;
  /** The master that serves a key, by the first division of the slots. */
  homeOf(key: string): Promise<ClusterNode>;
  /** Every key, by the place of the node that has it. */
  keys(): Promise<string[][]>;
  stop(): Promise<void>;
}

const listens = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });

/** Ports that are free, with those of the bus, for now. */
async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  for (let port = 20_000 + (process.pid % 25_000); ports.length < count; port++) {
    const isFree = (await listens(port)) && (await listens(port + BUS_OFFSET));
    if (isFree && !(await answers(port))) ports.push(port);
  }
  return ports;
}

const answers = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });

async function startNode(port: number): Promise<ClusterNode> {
  const settings = {
    bind: '127.0.0.1',
    port,
    'cluster-enabled': 'yes',
    'cluster-node-timeout': NODE_TIMEOUT_MS,
    'cluster-require-full-coverage': 'no',
    'cluster-replica-validity-factor': 0,
    'repl-diskless-sync-delay': 0,
  };
  const server = await startRedis(
    Object.entries(settings).flatMap(([name, value]) => [`--${name}`, `${value}`]),
  );
  const direct = new Redis(server.socket, { protocol: 2 });
  direct.on('error', () => {});
  return { port, id: String(await direct.cluster('MYID')), server, direct };
}

const infoOf = async ({ direct }: ClusterNode) => String(await direct.cluster('INFO'));

/** Joins the nodes, divides the slots evenly, and waits until all agree. */
async function join(masters: readonly ClusterNode[], replica: ClusterNode): Promise<void> {
  const all = [...masters, replica];
  for (const [i, { direct }] of all.entries()) {
    await direct.call('CLUSTER', 'SET-CONFIG-EPOCH', i + 1);
    if (i > 0) await direct.call('CLUSTER', 'MEET', '127.0.0.1', all[0].port);
  }
  for (const [i, { direct }] of masters.entries()) {
    const [from, to] = [i, i + 1].map((part) => Math.floor((part * SLOTS) / masters.length));
    await direct.call('CLUSTER', 'ADDSLOTSRANGE', from, to - 1);
  }
  const whole = new RegExp(
    `cluster_state:ok[^]*cluster_slots_ok:${SLOTS}[^]*cluster_known_nodes:${all.length}`,
  );
  for (const node of all) await until(async () => whole.test(await infoOf(node)), 'the cluster');
  await replica.direct.call('CLUSTER', 'REPLICATE', masters[0].id);
  const isLinked = async () => /master_link_status:up/.test(await replica.direct.info('replication'));
  await until(isLinked, 'the replica');
  for (const { direct } of masters) {
    const knowsReplica = async () => /slave/.test(String(await direct.call('CLUSTER', 'NODES')));
    await until(knowsReplica, 'the replica to be known');
  }
}

export async function startCluster(): Promise<TestCluster> {
  const all = await Promise.all((await freePorts(4)).map(startNode));
  const masters = all.slice(0, 3);
  const [replica] = all.slice(3);
  async function stop(): Promise<void> {
    for (const { direct } of all) direct.disconnect();
    await Promise.all(all.map(({ server }) => server.stop()));
  }
  try {
    await join(masters, replica);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    masters,
    replica,
    url: `redis+cluster://${masters.map(({ port }) => `127.0.0.1:${port}`).join(',')}`,
    async homeOf(key) {
      const slot = Number(await masters[0].direct.cluster('KEYSLOT', key));
      return masters[Math.floor(((slot + 1) * masters.length - 1) / SLOTS)];
    },
    keys: () => Promise.all(masters.map(({ direct }) => direct.keys('*'))),
    stop,
  };
}

/** A slot on its way: the source knows that it migrates, the target that it comes; no key has been moved. */
export async function beginMove(slot: number, from: ClusterNode, to: ClusterNode): Promise<void> {
  await to.direct.call('CLUSTER', 'SETSLOT', slot, 'IMPORTING', from.id);
  await from.direct.call('CLUSTER', 'SETSLOT', slot, 'MIGRATING', to.id);
}

/** Moves some keys of a slot that is on its way, at most so many. @returns how many */
export async function moveKeys(
  slot: number,
  from: ClusterNode,
  to: ClusterNode,
  count: number,
): Promise<number> {
  const keys = (await from.direct.call('CLUSTER', 'GETKEYSINSLOT', slot, count)) as string[];
  if (keys.length > 0) await from.direct.call('MIGRATE', '127.0.0.1', to.port, '', 0, 5_000, 'KEYS', ...keys);
  return keys.length;
}

/** Moves what is left, and tells every master where the slot is. */
export async function endMove(
  slot: number,
  from: ClusterNode,
  to: ClusterNode,
  masters: readonly ClusterNode[],
) {
  while ((await moveKeys(slot, from, to, 50)) > 0);
  const rest = masters.filter((node) => node !== to && node !== from);
  for (const { direct } of [to, from, ...rest]) await direct.call('CLUSTER', 'SETSLOT', slot, 'NODE', to.id);
}
