/**
 * What Redis answers because of its own state: each fault provoked on a real Redis under the service, what the sender
 * is told, that nothing was stored, and that all is well by itself once the cause is gone.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Redis } from 'ioredis';
import { pino } from 'pino';
import t, { type Test } from 'tap';
import { loadConfig } from '../../src/config.js';
import type { ProblemCode } from '../../src/errors.js';
import { createMetrics } from '../../src/metrics.js';
import { connectionLimits, createConnection } from '../../src/redis/connection.js';
import { faultOf, faults } from '../../src/redis/faults.js';
import { call, runPipeline } from '../../src/redis/pipeline.js';
import { startApp } from '../support/app.js';
import { compliance, event, get, postRows } from '../support/http.js';
import { startRedis, type TestRedis } from '../support/redis-server.js';
import { withRedis } from '../support/redis-state.js';
import { freePort, listening } from '../support/replication.js';
import { until } from '../support/until.js';

interface Provoked {
  code: ProblemCode;
  detail: RegExp;
  args?: string[];
  begin: (redis: Redis, server: TestRedis) => Promise<unknown>;
  end: (redis: Redis) => Promise<unknown>;
}

const set = (name: string, value: string) => (redis: Redis) => redis.config('SET', name, value);

const provoked: Record<string, Provoked> = {
  READONLY: {
    code: 'redis_unavailable',
    detail: /nothing was stored: this Redis is a replica$/,
    begin: (redis) => redis.replicaof('127.0.0.1', 1),
    end: (redis) => redis.replicaof('NO', 'ONE'),
  },
  MASTERDOWN: {
    code: 'redis_unavailable',
    detail: /nothing was stored/,
    args: ['--replica-serve-stale-data', 'no'],
    begin: (redis) => redis.replicaof('127.0.0.1', 1),
    end: (redis) => redis.replicaof('NO', 'ONE'),
  },
  NOREPLICAS: {
    code: 'ingest_failed',
    detail: /nothing was stored: .*min-replicas-to-write/,
    begin: set('min-replicas-to-write', '1'),
    end: set('min-replicas-to-write', '0'),
  },
  OOM: {
    code: 'ingest_failed',
    detail: /nothing was stored: .*maxmemory/,
    begin: set('maxmemory', '1'),
    end: set('maxmemory', '0'),
  },
  MISCONF: {
    code: 'ingest_failed',
    detail: /nothing was stored: .*disk/,
    async begin(redis, { dir }) {
      mkdirSync(join(dir, 'dump.rdb')); // in the place of the snapshot
      await redis.config('SET', 'save', '3600 1');
      await redis.bgsave();
      const hasFailed = async () => (await redis.info('persistence')).includes('rdb_last_bgsave_status:err');
      await until(hasFailed, 'the snapshot to fail');
    },
    end: set('stop-writes-on-bgsave-error', 'no'),
  },
  BUSY: {
    code: 'redis_unavailable',
    detail: /nothing was stored/,
    async begin(redis) {
      await redis.config('SET', 'lua-time-limit', '10');
      const endless = redis.duplicate();
      endless.eval('while true do end', 0).then(
        () => undefined,
        () => endless.disconnect(),
      );
      const isBusy = () =>
        redis.ping().then(
          () => false,
          (error: Error) => error.message.startsWith('BUSY'),
        );
      await until(isBusy, 'the script to be too long');
    },
    end: (redis) => redis.script('KILL'),
  },
  LOADING: {
    code: 'redis_unavailable',
    detail: /nothing was stored/,
    args: ['--enable-debug-command', 'yes', '--loading-process-events-interval-bytes', '1024'],
    async begin(redis) {
      await redis.call('DEBUG', 'POPULATE', '1000', 'key', '100');
      await redis.config('SET', 'key-load-delay', '1000');
      redis
        .duplicate()
        .call('DEBUG', 'RELOAD')
        .catch(() => undefined);
      const isLoading = () =>
        redis.ping().then(
          () => false,
          (error: Error) => error.message.startsWith('LOADING'),
        );
      await until(isLoading, 'Redis to load');
    },
    end: (redis) =>
      until(
        () =>
          redis.ping().then(
            () => true,
            () => false,
          ),
        'Redis to have loaded',
      ),
  },
};

const timestamp = 1_700_000_000;
const row = (user_id: string) => event({ system: 's', user_id, timestamp });
const question = compliance('distinct/users', { system: 's', timestamp });
const post = async (base: string, user: string) => postRows(base, [row(user)]);

async function isStoredAgain(t: Test, base: string): Promise<void> {
  await until(async () => (await post(base, 'after')).status === 201, 'events to be taken in again');
  await until(async () => (await get(base, '/readyz')).status === 200, 'readiness');
  t.hasStrict((await get(base, question)).body, { count: 2 }, 'nothing of what was refused is there');
}

for (const [name, { code, detail, args = [], begin, end }] of Object.entries(provoked)) {
  t.test(`${name}: told as ${code}, nothing stored, and well by itself`, async (t) => {
    const redis = await startRedis(args);
    const { base, stop } = await startApp({ redis });
    await withRedis(redis, async (connection) => {
      t.equal((await post(base, 'before')).status, 201);
      await begin(connection, redis);
      const answer = await post(base, 'during');
      t.match(answer, { status: 503, headers: { 'retry-after': /^\d+$/ }, body: { code, detail } });
      t.equal((await get(base, '/livez')).status, 200);
      await end(connection);
    });
    await isStoredAgain(t, base);
    await stop();
    await redis.stop();
  });
}

/** A port that leaves room for the bus of a cluster, 10,000 above. */
async function clusterPort(): Promise<number> {
  for (;;) {
    const port = await freePort();
    if (port < 55_000) return port;
  }
}

t.test('CLUSTERDOWN, MOVED: nodes of a cluster under the address of a single Redis', async (t) => {
  const ports = [await clusterPort(), await clusterPort()];
  const clustered = ['--cluster-enabled', 'yes', '--cluster-require-full-coverage', 'no'];
  const nodes = await Promise.all(ports.map((port) => startRedis([...listening(port), ...clustered])));
  const connection = createConnection({
    address: { path: nodes[0].socket },
    name: 'write',
    limits: connectionLimits(loadConfig({})),
    metrics: createMetrics(),
    log: pino({ level: 'silent' }),
  });
  t.teardown(async () => {
    connection.disconnect();
    for (const node of nodes) await node.stop();
  });
  await until(() => connection.status === 'ready', 'a connection');
  const faultNow = async () => {
    const [{ error }] = await runPipeline(connection, [call('GET', 'key')], 1_000);
    return error && faultOf(error);
  };
  t.equal(await faultNow(), faults.CLUSTERDOWN);
  await withRedis(nodes[1], (other) => other.call('CLUSTER', 'ADDSLOTSRANGE', '0', '16383'));
  await connection.call('CLUSTER', 'MEET', '127.0.0.1', String(ports[1]));
  await until(async () => (await faultNow()) === faults.MOVED, 'the node to know where the key is');
  t.equal(connection.status, 'ready', 'another connection would lead to the same');
});

t.test('a connection on which many calls find no answer is given up once', async (t) => {
  const server = await startRedis();
  const connection = createConnection({
    address: { path: server.socket },
    name: 'write',
    limits: connectionLimits(loadConfig({})),
    metrics: createMetrics(),
    log: pino({ level: 'silent' }),
  });
  t.teardown(async () => {
    server.process.kill('SIGCONT');
    connection.disconnect();
    await server.stop();
  });
  await until(() => connection.status === 'ready', 'a connection');
  const { stream } = connection;
  server.process.kill('SIGSTOP');
  const outcomes = await Promise.all(
    Array.from({ length: 12 }, () => runPipeline(connection, [call('GET', 'key')], 50)),
  );
  t.equal(outcomes.flat().filter(({ error }) => error).length, 12);
  t.equal(stream.listenerCount('close'), 1, 'one call alone has it closed');
  server.process.kill('SIGCONT');
  await until(() => connection.status === 'ready', 'another connection');
  t.not(connection.stream, stream);
});
