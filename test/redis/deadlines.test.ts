/**
 * Deadlines of a process that stands still while its answer is in the socket: the answer is taken and the connection
 * stays. To stand still, a test waits for a program that ends after Redis has answered and the deadline is over.
 */
import { spawnSync } from 'node:child_process';
import { setImmediate as turn } from 'node:timers/promises';
import { pino } from 'pino';
import t, { type Test } from 'tap';
import { loadConfig } from '../../src/config.js';
import { createMetrics } from '../../src/metrics.js';
import { connectionLimits, createConnection } from '../../src/redis/connection.js';
import { within } from '../../src/redis/deadline.js';
import { call, runPipeline } from '../../src/redis/pipeline.js';
import { createTestClock, question, startCache } from '../support/answer-cache.js';
import { startProxy } from '../support/redis-proxy.js';
import { startRedis } from '../support/redis-server.js';
import { until } from '../support/until.js';

const DEADLINE_MS = 100;
const redis = await startRedis();
t.teardown(() => redis.stop());

/** A program that ends when the Redis at a socket has answered a PING, so everything that was sent before it too. */
const ping = `require('node:net').connect(process.argv[1], function () { this.write('PING\\r\\n'); })
  .once('data', () => process.exit(0));`;

/**
 * Stands still until Redis has answered what was sent, and for longer than the deadline. To be called after a turn of
 * the event loop: then timers come next, which are due, and the socket after them.
 */
function standStill(): void {
  const began = performance.now();
  do {
    const { status } = spawnSync(process.execPath, ['-e', ping, redis.socket]);
    if (status !== 0) throw new Error('Redis does not answer');
  } while (performance.now() - began < 2 * DEADLINE_MS);
}

function connectTo(t: Test, path: string, connectTimeoutMs = 5_000) {
  const log: string[] = [];
  const connection = createConnection({
    address: { path },
    name: 'read',
    limits: { ...connectionLimits(loadConfig({})), connectTimeoutMs },
    metrics: createMetrics(),
    log: pino({ level: 'debug' }, { write: (line: string) => void log.push(line) }),
  });
  t.teardown(() => connection.disconnect());
  return { connection, log };
}

t.test(
  'a pipeline takes the reply that came while the process stood still, and keeps the connection',
  async (t) => {
    const { connection } = connectTo(t, redis.socket);
    await until(() => connection.status === 'ready', 'a connection');
    const { stream } = connection;
    for (const calls of [[call('PING')], [call('PING'), call('ECHO', 'text')]]) {
      await turn();
      const outcomes = runPipeline(connection, calls, DEADLINE_MS);
      standStill();
      t.notOk((await outcomes).some(({ error }) => error));
    }
    t.equal(await within(connection.ping(), 5_000), 'PONG');
    t.equal(connection.stream, stream);
  },
);

t.test('a reply that is not there after that is late, and its connection is left', async (t) => {
  const proxy = await startProxy(redis);
  t.teardown(() => proxy.stop());
  const { connection } = connectTo(t, proxy.socket);
  await until(() => connection.status === 'ready', 'a connection');
  const { stream } = connection;
  proxy.arm('PING', 'hold');
  const [{ error }] = await runPipeline(connection, [call('PING')], DEADLINE_MS);
  t.ok(error);
  await until(() => connection.status === 'ready' && connection.stream !== stream, 'another connection');
});

t.test('work is not called late for what was there by the deadline', async (t) => {
  const { connection } = connectTo(t, redis.socket);
  await until(() => connection.status === 'ready', 'a connection');
  await turn();
  const answer = within(connection.ping(), DEADLINE_MS);
  standStill();
  t.equal(await answer, 'PONG');
  await t.rejects(within(new Promise(() => {}), 1), { code: 'redis_unavailable' });
});

t.test(
  'a question is answered though the process stood still while it asked for a shared answer',
  async (t) => {
    const clock = createTestClock();
    const { cache, stop } = await startCache(redis.socket, { clock, timeoutMs: 5_000 });
    t.teardown(stop);
    const answer = cache.get(question('still'), async () => ({ computed: true }));
    clock.pass(60_000);
    t.match(await answer, { state: 'miss' });
  },
);

t.test(
  'a process that stands still whenever it may while it connects gets its connection at the first try',
  async (t) => {
    const { connection, log } = connectTo(t, redis.socket, DEADLINE_MS);
    let still = 0;
    while (connection.status !== 'ready' && still < 20) {
      standStill();
      still++;
      await new Promise((resolve) => setImmediate(resolve));
    }
    await until(() => connection.status === 'ready', 'a connection');
    t.ok(still > 2, `it stood still ${still} times`);
    const told = log.map((line) => JSON.parse(line).msg);
    t.strictSame(told, ['redis: connected']);
  },
);

t.test('a server that accepts and says nothing is given up, and the next try may find another', async (t) => {
  const proxy = await startProxy(redis);
  t.teardown(() => proxy.stop());
  proxy.swallow(true);
  const { connection, log } = connectTo(t, proxy.socket, DEADLINE_MS);
  await until(() => log.some((line) => line.includes('there is no answer')), 'the first to be given up');
  proxy.swallow(false);
  await until(() => connection.status === 'ready', 'a connection');
});
