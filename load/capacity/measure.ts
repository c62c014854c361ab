/** Measuring a point: what the service and its Redis used, against the work that the stream was. */
import { Redis } from 'ioredis';
import { type Work, workOf } from '../../src/capacity/work.js';
import { startCluster } from '../../test/support/redis-cluster.js';
import { startRedis } from '../../test/support/redis-server.js';
import { freePort } from '../../test/support/replication.js';
import { sumOf } from '../results/statistics.js';
import type { Context } from '../scenario.js';
import { fire } from '../senders/cannon.js';
import { firePaced } from '../senders/paced.js';
import { bodiesOf } from '../streams/bodies.js';
import { evenEvents } from '../streams/even.js';
import { startService } from '../targets/service.js';
import type { Point } from './points.js';

const WARM_SECONDS = 1.5;
/** Connections are not equally quick with their stretches of the bodies. */
const WARM_ROUNDS = 2.5;
const WARM_SHOTS_MAX = 10;
/** So that every value that comes again is known to have come, however many there are. */
const FILTER_VALUES = 20_000_000;
const POOL_BODIES_MIN = 64;
const POOL_EVENTS = 100_000;
/** As the own Redis writes its file, but never anew: what is appended can be told by its length. */
const AOF = ['--appendonly', 'yes', '--appendfsync', 'everysec', '--auto-aof-rewrite-percentage', '0'];

/** What is measured of each point, all but the first two in bytes. */
export const costKinds = ['node', 'redis', 'sent', 'appended'] as const;
export type CostKind = (typeof costKinds)[number];

export interface Measured {
  point: Point;
  /** A second. */
  work: Work;
  groupsPerSecond: number;
  /** Microseconds or bytes a second. */
  costs: Record<CostKind, number>;
  /** Bytes of a body, by event. */
  eventBytes: number;
  rss: number;
  failures: number;
}

/** What runs a point's service: one Redis with an append-only file, or three masters without. */
async function startStore({ isCluster }: Point) {
  if (isCluster) {
    const cluster = await startCluster();
    const nodes = cluster.masters.map(({ direct }) => direct);
    return { url: cluster.url, server: cluster.masters[0].server, nodes, stop: cluster.stop };
  }
  const port = await freePort();
  const server = await startRedis(['--port', String(port), '--bind', '127.0.0.1', ...AOF]);
  const redis = new Redis(server.socket, { protocol: 2 });
  const stop = async () => {
    redis.disconnect();
    await server.stop();
  };
  return { url: `redis://127.0.0.1:${port}`, server, nodes: [redis], stop };
}

/** What all nodes have used since they were started: microseconds and bytes. */
async function readNodes(nodes: readonly Redis[]) {
  const texts = await Promise.all(nodes.map((node) => node.info()));
  const total = (name: string) =>
    sumOf(texts, (text) => Number(new RegExp(`^${name}:(.*)`, 'm').exec(text)?.[1] ?? 0));
  return {
    redis: (total('used_cpu_user') + total('used_cpu_sys')) * 1e6,
    sent: total('total_net_input_bytes'),
    appended: total('aof_current_size'),
  };
}

export async function measure(point: Point, seconds: number, context: Context): Promise<Measured> {
  const { batch, connections, shape, pace, isKnown, isCluster } = point;
  const store = context.own(await startStore(point));
  const service = context.own(
    await startService(
      {
        REDIS_URL: store.url,
        REPEAT_FILTER_VALUES_MAX: String(isKnown ? FILTER_VALUES : 0),
        INGEST_QUEUE_MS_MAX: '60000', // what others do on the machine is no reason to refuse events here
        EVENT_LOOP_DELAY_MS_MAX: '60000',
      },
      store.server,
    ),
  );
  const stream = evenEvents({ shape, seed: 20_260_101, start: Date.now(), stepMs: 0.01 });
  const bodies = bodiesOf(stream, batch, Math.max(POOL_BODIES_MIN, Math.min(4_000, POOL_EVENTS / batch)));
  const path = batch === 1 ? '/api/v1/events' : '/api/v1/events/batch';
  const aim = { base: service.base, path, bodies, connections };
  // What comes new is dearer than what comes again, so every body is sent before anything is measured.
  let sent = 0;
  for (let shots = 0; shots < WARM_SHOTS_MAX && sent < WARM_ROUNDS * bodies.length; shots++) {
    const { requests, seconds: took } = await fire({ ...aim, seconds: WARM_SECONDS });
    sent += requests * took;
  }
  if (sent === 0) throw new Error(`nothing is stored: ${point.name}`);
  const begin = performance.now();
  const [before, nodesBefore] = [await service.counters(), await readNodes(store.nodes)];
  const shot =
    pace === undefined ? await fire({ ...aim, seconds }) : await firePaced({ ...aim, rate: pace, seconds });
  const [after, nodesAfter] = [await service.counters(), await readNodes(store.nodes)];
  const took = (performance.now() - begin) / 1_000;
  await service.stop();
  await store.stop();
  const perSecond = (of: 'events' | 'pipelines' | 'nodeCpu') => (after[of] - before[of]) / took;
  const flow = {
    eventsPerSecond: perSecond('events'),
    requestsPerSecond: perSecond('events') / batch,
    systemsPerRequest: shape.systems,
    groupsPerSecond: perSecond('pipelines'),
    processes: 1,
    masters: isCluster ? store.nodes.length : 1,
    known: isKnown ? 1 : 0,
    isNew: false,
  };
  const nodeRate = (of: Exclude<CostKind, 'node'>) => (nodesAfter[of] - nodesBefore[of]) / took;
  return {
    point,
    work: workOf(shape, flow),
    groupsPerSecond: flow.groupsPerSecond,
    costs: {
      node: perSecond('nodeCpu') * 1e6,
      redis: nodeRate('redis'),
      sent: nodeRate('sent'),
      appended: nodeRate('appended'),
    },
    eventBytes: sumOf(bodies, ({ length }) => length) / bodies.length / batch,
    rss: after.rss,
    failures: shot.failures,
  };
}
